variable "cluster_arn" {
  description = "ARN of the ECS cluster."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:cluster/[0-9A-Za-z_-]+$", var.cluster_arn))
    error_message = "`cluster_arn` is `arn:aws:ecs:REGION:ACCOUNT:cluster/NAME`."
  }
}

variable "image" {
  description = "Image with the program and its configuration."
  type        = string

  validation {
    condition     = can(regex("^[^\\s]+[:@][^\\s/]+$", var.image))
    error_message = "`image` has a tag or a digest."
  }
}

variable "vpc_id" {
  description = "VPC of the tasks."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the tasks, in different availability zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "`subnet_ids` has at least one subnet."
  }
}

variable "table_arn" {
  description = "ARN of the table with the state, such as the output `table_arn` of the module `shared-storage`."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[0-9A-Za-z_.-]{3,255}$", var.table_arn))
    error_message = "`table_arn` is `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME`; no wildcards."
  }
}

variable "connector_arns" {
  description = "ARNs of the connectors to read."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for arn in var.connector_arns :
      can(regex("^arn:aws[a-z-]*:transfer:[a-z0-9-]+:[0-9]{12}:connector/c-[0-9a-f]{17}$", arn))
    ])
    error_message = "A connector ARN is `arn:aws:transfer:REGION:ACCOUNT:connector/c-` and 17 of `0-9a-f`; no wildcards."
  }
}

variable "assume_role_arns" {
  description = "Roles of other accounts that the exporter assumes (`assume_role` in its configuration)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.assume_role_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[0-9A-Za-z_+=,.@/-]+$", arn))])
    error_message = "A role ARN is `arn:aws:iam::ACCOUNT:role/NAME`; no wildcards."
  }
}

variable "scraper_security_group_ids" {
  description = "Security groups that may scrape, such as that of Prometheus."
  type        = list(string)
  default     = []
}

# An object, since Terraform has to know whether it is null before the namespace exists.
variable "cloud_map" {
  description = "Private DNS namespace of Cloud Map in which each task has an A record; none if null."
  type = object({
    namespace_id = string
  })
  default = null
}

variable "name" {
  description = "Name of the service, the task definition and the security group, and first part of the names of the roles."
  type        = string
  default     = "aws-transfer-exporter"

  validation {
    condition     = can(regex("^[0-9A-Za-z][0-9A-Za-z_-]{0,53}$", var.name))
    error_message = "`name` has 1 to 54 letters, digits, `_` and `-`."
  }
}

variable "desired_count" {
  description = "Number of tasks. With one shard, one is the owner, and the others are standbys."
  type        = number
  default     = 2

  validation {
    condition     = var.desired_count >= 1 && var.desired_count <= 100
    error_message = "`desired_count` is from 1 to 100."
  }
}

variable "shards" {
  description = "Number of automatic shards. With more than one, each task owns some."
  type        = number
  default     = 1

  validation {
    condition     = var.shards >= 1 && var.shards <= 1000 && floor(var.shards) == var.shards
    error_message = "`shards` is a whole number from 1 to 1000."
  }
}

variable "cpu" {
  description = "CPU units of a task."
  type        = number
  default     = 256
}

variable "memory" {
  description = "Memory of a task in MiB."
  type        = number
  default     = 512
}

variable "cpu_architecture" {
  description = "Architecture of the image: `X86_64` or `ARM64`."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "`cpu_architecture` is `X86_64` or `ARM64`."
  }
}

variable "lease_duration" {
  description = "Duration of the lease of the owner (`--storage.lease-duration`), 3s to 10m."
  type        = string
  default     = "15s"

  validation {
    condition     = can(regex("^([0-9]+(ms|[smhdw]))+$", var.lease_duration))
    error_message = "`lease_duration` is a duration such as `15s`."
  }
}

variable "extra_arguments" {
  description = "Additional arguments of the exporter."
  type        = list(string)
  default     = []
}

variable "environment" {
  description = "Environment variables by name."
  type        = map(string)
  default     = {}
}

variable "secrets" {
  description = "ARNs of secrets of Secrets Manager, or of parameters of Systems Manager, by environment variable."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for arn in values(var.secrets) : can(regex("^arn:aws[a-z-]*:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/)[^*]+$", arn))
    ])
    error_message = "A secret is `arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME` or `arn:aws:ssm:REGION:ACCOUNT:parameter/NAME`; no wildcards."
  }
}

variable "assign_public_ip" {
  description = "Whether tasks have public addresses. Required in subnets without a NAT gateway or VPC endpoints."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365
}

variable "log_kms_key_arn" {
  description = "ARN of the KMS key of the log group; a key of CloudWatch Logs if null."
  type        = string
  default     = null
}

variable "permissions_boundary" {
  description = "ARN of the permissions boundary of the roles."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}

variable "rule_arn" {
  description = "ARN of the rule for connector events."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:rule/[0-9A-Za-z_.-]+$", var.rule_arn))
    error_message = "A rule ARN on the default bus is `arn:aws:events:REGION:ACCOUNT:rule/NAME`; no wildcards."
  }
}

variable "cloudtrail_rule_arn" {
  description = "ARN of the rule for StartFileTransfer, if any."
  type        = string
  default     = null

  validation {
    condition = var.cloudtrail_rule_arn == null || can(regex(
      "^arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:rule/[0-9A-Za-z_.-]+$", var.cloudtrail_rule_arn
    ))
    error_message = "A rule ARN on the default bus is `arn:aws:events:REGION:ACCOUNT:rule/NAME`; no wildcards."
  }
}

variable "queue_arns" {
  description = "ARNs of the queues, by queue name."
  type        = map(string)

  validation {
    condition = length(var.queue_arns) > 0 && alltrue([
      for arn in values(var.queue_arns) : can(regex("^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[0-9A-Za-z_-]+$", arn))
    ])
    error_message = "A queue ARN is `arn:aws:sqs:REGION:ACCOUNT:NAME`; no wildcards. At least one."
  }
}

variable "dead_letter_queue_arns" {
  description = "ARNs of the dead-letter queues, by queue name."
  type        = map(string)

  validation {
    condition = alltrue([
      for arn in values(var.dead_letter_queue_arns) :
      can(regex("^arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[0-9A-Za-z_-]+$", arn))
    ])
    error_message = "A queue ARN is `arn:aws:sqs:REGION:ACCOUNT:NAME`; no wildcards."
  }
}

variable "files_only" {
  description = "Limits events to the four detail types with a transfer id."
  type        = bool
  default     = false
}

variable "max_receive_count" {
  description = "Number of receives before a message moves to the dead-letter queue."
  type        = number
  default     = 5

  validation {
    condition     = var.max_receive_count >= 2 && var.max_receive_count <= 1000 && floor(var.max_receive_count) == var.max_receive_count
    error_message = "`max_receive_count` is a whole number from 2 to 1000: with 1, a restart can lose a message."
  }
}

variable "kms" {
  description = "Whether the queues are encrypted with the KMS key `kms_key_arn`."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "ARN of the KMS key."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9A-Za-z-]+$", var.kms_key_arn))
    error_message = "A key ARN is `arn:aws:kms:REGION:ACCOUNT:key/ID`; no alias, which IAM does not resolve."
  }
}

variable "sender_arns" {
  description = "Principals that may send messages to the queues."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([
      for arn in var.sender_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/[0-9A-Za-z_+=,.@/-]+)$", arn))
    ])
    error_message = "A sender is `arn:aws:iam::ACCOUNT:role/NAME`, `:user/NAME` or `:root`; no wildcards."
  }
}

variable "connector_arns" {
  description = "ARNs of the connectors to read; all connectors of the account and Region of the rule if empty."
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

variable "look_up_cloudtrail" {
  description = "Allows `discovery.cloudtrail`."
  type        = bool
  default     = false
}

variable "test_connections" {
  description = "Whether the role may test the connections of the connectors (`probe.connection` in the configuration of the exporter)."
  type        = bool
  default     = false
}

variable "list_connectors" {
  description = "Allows `discovery.connectors`."
  type        = bool
  default     = false
}

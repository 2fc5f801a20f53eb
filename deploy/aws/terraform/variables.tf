# ./documents checks the values.

variable "name" {
  description = "The role's name."
  type        = string
  default     = "aws-transfer-exporter"
}

variable "path" {
  description = "The role's path."
  type        = string
  default     = "/"
}

variable "permissions_boundary" {
  description = "ARN of a policy that bounds the role."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the role."
  type        = map(string)
  default     = {}
}

variable "connector_arns" {
  description = "ARNs of the connectors to read. This, or `connector_ids` with `account_id` and `region`, or both."
  type        = list(string)
  default     = []
}

variable "connector_ids" {
  description = "Ids of the connectors to read, in `account_id` and `region`."
  type        = list(string)
  default     = []
}

variable "account_id" {
  description = "Account of `connector_ids`."
  type        = string
  default     = null
}

variable "region" {
  description = "Region of `connector_ids`."
  type        = string
  default     = null
}

variable "partition" {
  description = "Partition of `connector_ids`: `aws`, `aws-cn`, `aws-us-gov`."
  type        = string
  default     = "aws"
}

variable "assume_role_arns" {
  description = "Roles of other accounts that the exporter assumes (`assume_role` in its configuration)."
  type        = list(string)
  default     = []
}

variable "irsa" {
  description = "The Kubernetes service account that may take the role, and its cluster's OIDC provider."
  type = object({
    oidc_provider_arn = string
    namespace         = string
    service_account   = optional(string, "aws-transfer-exporter")
  })
  default = null
}

variable "cross_account" {
  description = "Principals of other accounts that may take the role, and the external id that they have to name."
  type = object({
    principal_arns = list(string)
    external_id    = string
  })
  default = null
}

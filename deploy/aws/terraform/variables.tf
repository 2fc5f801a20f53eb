# ./documents validates the values.

variable "name" {
  description = "Name of the role."
  type        = string
  default     = "aws-transfer-exporter"
}

variable "path" {
  description = "Path of the role."
  type        = string
  default     = "/"
}

variable "permissions_boundary" {
  description = "ARN of the permissions boundary of the role."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the role."
  type        = map(string)
  default     = {}
}

variable "connector_arns" {
  description = "ARNs of the connectors to read. Alternatively, or additionally, set `connector_ids` with `account_id` and `region`."
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
  description = "Partition of `connector_ids`, such as `aws-cn`. The default is that of `region`."
  type        = string
  default     = null
}

variable "test_connections" {
  description = "Whether the role may test the connections of the connectors (`probe.connection` in the configuration of the exporter)."
  type        = bool
  default     = false
}

variable "assume_role_arns" {
  description = "Roles of other accounts that the exporter assumes (`assume_role` in its configuration)."
  type        = list(string)
  default     = []
}

variable "irsa" {
  description = "Kubernetes service account that may assume the role, and the OIDC provider of its cluster."
  type = object({
    oidc_provider_arn = string
    namespace         = string
    service_account   = optional(string, "aws-transfer-exporter")
  })
  default = null
}

variable "cross_account" {
  description = "Principals of other accounts that may assume the role, and the external id that they must send."
  type = object({
    principal_arns = list(string)
    external_id    = string
  })
  default = null
}

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

variable "connector_ids" {
  description = "Ids of the connectors to read, in `account_id` and `region`."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.connector_ids : can(regex("^c-[0-9a-f]{17}$", id))])
    error_message = "A connector id is `c-` and 17 of `0-9a-f`."
  }
}

variable "account_id" {
  description = "Account of `connector_ids`."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account id has 12 digits."
  }
}

variable "region" {
  description = "Region of `connector_ids`."
  type        = string
  default     = null

  validation {
    condition     = var.region == null || can(regex("^[a-z]{2}[a-z-]*-[0-9]+$", var.region))
    error_message = "A Region is a code such as `eu-central-1`."
  }
}

variable "partition" {
  description = "Partition of `connector_ids`, such as `aws-cn`. The default is that of `region`."
  type        = string
  default     = null

  validation {
    condition     = var.partition == null || can(regex("^aws[a-z-]*$", var.partition))
    error_message = "A partition starts with `aws`."
  }
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

  validation {
    condition     = alltrue([for arn in var.assume_role_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[0-9A-Za-z_+=,.@/-]+$", arn))])
    error_message = "A role ARN is `arn:aws:iam::ACCOUNT:role/NAME`; no wildcards."
  }
}

variable "irsa" {
  description = "Kubernetes service account that may assume the role, and the OIDC provider of its cluster."
  type = object({
    oidc_provider_arn = string
    namespace         = string
    service_account   = optional(string, "aws-transfer-exporter")
  })
  default = null

  validation {
    condition = var.irsa == null || can(regex(
      "^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/[0-9A-Za-z._/-]+$", var.irsa.oidc_provider_arn
    ))
    error_message = "`irsa.oidc_provider_arn` is `arn:aws:iam::ACCOUNT:oidc-provider/ISSUER`, the issuer without `https://`."
  }
  validation {
    condition = var.irsa == null || can(regex(
      "^[a-z0-9]([a-z0-9-]*[a-z0-9])?:[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
      "${var.irsa.namespace}:${var.irsa.service_account}"
    ))
    error_message = "`irsa.namespace` and `irsa.service_account` are Kubernetes names; no wildcards."
  }
}

variable "cross_account" {
  description = "Principals of other accounts that may assume the role, and the external id that they must send."
  type = object({
    principal_arns = list(string)
    external_id    = string
  })
  default = null

  validation {
    condition = var.cross_account == null || (try(length(var.cross_account.principal_arns), 0) > 0 && try(alltrue([
      for arn in var.cross_account.principal_arns :
      can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/[0-9A-Za-z_+=,.@/-]+)$", arn))
    ]), false))
    error_message = "`cross_account.principal_arns` has at least one of `arn:aws:iam::ACCOUNT:role/NAME`, `:user/NAME` or `:root`; no wildcards."
  }
  validation {
    condition = var.cross_account == null || (
      can(regex("^[0-9A-Za-z_+=,.@:/-]{2,}$", var.cross_account.external_id)) &&
      try(length(var.cross_account.external_id), 0) <= 1224
    )
    error_message = "`cross_account.external_id` has 2 to 1224 of letters, digits and `_+=,.@:/-`."
  }
}

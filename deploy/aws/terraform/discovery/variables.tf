# ./documents checks the values that are handed on to it.

variable "name" {
  description = "Name of the rule and of the exporter's policy; the rule for CloudTrail has `-cloudtrail` behind it."
  type        = string
  default     = "transfer-events"

  validation {
    condition     = can(regex("^[0-9A-Za-z_.-]{1,53}$", var.name))
    error_message = "`name` has 1 to 53 letters, digits, `_`, `.` and `-`; no wildcards."
  }
}

variable "queue_names" {
  description = "Names of the queues, one for each exporter that is to know every transfer; `-dlq` behind one is its dead-letter queue."
  type        = list(string)
  default     = ["transfer-events"]

  validation {
    condition = (
      length(var.queue_names) >= 1 && length(var.queue_names) <= 5 &&
      alltrue([for name in var.queue_names : can(regex("^[0-9A-Za-z_-]{1,64}$", name))])
    )
    error_message = "1 to 5 queues (a rule has no more targets), each with a name of 1 to 64 letters, digits, `_` and `-`."
  }
}

variable "role_names" {
  description = "Names of the exporter's roles, which get the policy."
  type        = list(string)
  default     = []
}

variable "files_only" {
  description = "Only the four detail types that carry a transfer id."
  type        = bool
  default     = false
}

variable "cloudtrail_rule" {
  description = "Also a rule for StartFileTransfer; needs a trail that logs management write events."
  type        = bool
  default     = false
}

variable "look_up_cloudtrail" {
  description = "Whether the exporter looks up started transfers in CloudTrail (`discovery.cloudtrail`)."
  type        = bool
  default     = false
}

variable "list_connectors" {
  description = "Whether the exporter lists the connectors (`discovery.connectors`)."
  type        = bool
  default     = false
}

variable "connector_arns" {
  description = "ARNs of the connectors to read. None: every connector of the account and Region."
  type        = list(string)
  default     = []
}

variable "sender_arns" {
  description = "Principals that may send messages of their own to the queues. Needed for other accounts."
  type        = list(string)
  default     = []
}

variable "max_receive_count" {
  description = "How often a message is received before it goes to the dead-letter queue."
  type        = number
  default     = 5
}

variable "visibility_timeout_seconds" {
  description = "How long a received message is hidden before it is received again."
  type        = number
  default     = 60

  validation {
    condition     = var.visibility_timeout_seconds >= 30 && var.visibility_timeout_seconds <= 43200
    error_message = "`visibility_timeout_seconds` is from 30 to 43200."
  }
}

variable "create_kms_key" {
  description = "A key in KMS for the queues. Without, SQS encrypts with a key of its own (SSE-SQS)."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "ARN of a key in KMS that there is. Its policy needs what the output `key_policy` has for EventBridge."
  type        = string
  default     = null
}

variable "oldest_message_seconds" {
  description = "Age of the oldest message above which the alarm goes off."
  type        = number
  default     = 900
}

variable "alarm_actions" {
  description = "ARNs of what the alarms tell, for example SNS topics."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}

# ./documents validates the values that are passed to it.

variable "name" {
  description = "Name of the rule and of the policy; the rule for CloudTrail has the suffix `-cloudtrail`."
  type        = string
  default     = "transfer-events"

  validation {
    condition     = can(regex("^[0-9A-Za-z_.-]{1,53}$", var.name))
    error_message = "`name` has 1 to 53 letters, digits, `_`, `.` and `-`; no wildcards."
  }
}

variable "queue_names" {
  description = "Names of the queues, one per exporter that tracks all transfers; dead-letter queues have the suffix `-dlq`."
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
  description = "Names of the roles of the exporter, to which the policy is attached."
  type        = list(string)
  default     = []
}

variable "files_only" {
  description = "Limits events to the four detail types with a transfer id."
  type        = bool
  default     = false
}

variable "cloudtrail_rule" {
  description = "Adds a rule for StartFileTransfer; requires a trail that logs management write events."
  type        = bool
  default     = false
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

variable "connector_arns" {
  description = "ARNs of the connectors to read; all connectors of the account and Region if empty."
  type        = list(string)
  default     = []
}

variable "sender_arns" {
  description = "Principals that may send messages to the queues. Required for other accounts."
  type        = list(string)
  default     = []
}

variable "max_receive_count" {
  description = "Number of receives before a message moves to the dead-letter queue."
  type        = number
  default     = 5
}

variable "visibility_timeout_seconds" {
  description = "Seconds before a received message that was not deleted is received again."
  type        = number
  default     = 60

  validation {
    condition     = var.visibility_timeout_seconds >= 30 && var.visibility_timeout_seconds <= 43200
    error_message = "`visibility_timeout_seconds` is from 30 to 43200."
  }
}

variable "create_kms_key" {
  description = "Creates a KMS key for the queues. Otherwise SQS encrypts with SSE-SQS."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "ARN of an existing KMS key. Its policy must include the statement `EventBridge` of the output `key_policy`."
  type        = string
  default     = null
}

variable "oldest_message_seconds" {
  description = "Age of the oldest message, in seconds, that triggers the alarm."
  type        = number
  default     = 900
}

variable "alarm_actions" {
  description = "ARNs that the alarms notify, for example SNS topics."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
}

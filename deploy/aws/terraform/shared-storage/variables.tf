variable "name" {
  description = "Name of the table."
  type        = string
  default     = "aws-transfer-exporter"

  validation {
    condition     = can(regex("^[0-9A-Za-z_.-]{3,100}$", var.name))
    error_message = "`name` has 3 to 100 letters, digits, `_`, `.` and `-`."
  }
}

variable "role_names" {
  description = "Names of the roles of the exporters, to which the policy is attached."
  type        = list(string)
  default     = []
}

variable "deletion_protection" {
  description = "Refuses to delete the table."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of the table."
  type        = map(string)
  default     = {}
}

output "policy" {
  description = "Policy of the role, as JSON."
  value = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.read_statements, local.test_statements, local.assume_statements)
  })

  precondition {
    condition     = length(local.read_statements) + length(local.assume_statements) > 0
    error_message = "Set `connector_arns`, or `connector_ids` with `account_id` and `region`, or `assume_role_arns`."
  }
  precondition {
    condition     = !var.test_connections || length(local.connector_arns) > 0
    error_message = "`test_connections` requires `connector_arns` or `connector_ids`."
  }
  precondition {
    condition     = length(var.connector_ids) == 0 || (var.account_id != null && var.region != null)
    error_message = "`connector_ids` requires `account_id` and `region`."
  }
}

output "trust_policy" {
  description = "Trust policy of the role, as JSON."
  value = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.irsa_statements, local.cross_account_statements)
  })

  precondition {
    condition     = var.irsa != null || var.cross_account != null
    error_message = "Set `irsa`, `cross_account`, or both: no principal could assume the role."
  }
}

output "connector_arns" {
  description = "ARNs of the connectors that the role can read."
  value       = local.connector_arns
}

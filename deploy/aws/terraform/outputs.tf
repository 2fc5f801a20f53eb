output "role_arn" {
  description = "Value of the ServiceAccount annotation `eks.amazonaws.com/role-arn`, or of `assume_role.role_arn` of the exporter."
  value       = aws_iam_role.exporter.arn
}

output "role_name" {
  description = "Name of the role."
  value       = aws_iam_role.exporter.name
}

output "policy" {
  description = "Policy of the role, as JSON."
  value       = module.documents.policy
}

output "trust_policy" {
  description = "Trust policy of the role, as JSON."
  value       = module.documents.trust_policy
}

output "connector_arns" {
  description = "ARNs of the connectors that the role can read."
  value       = module.documents.connector_arns
}

output "role_arn" {
  description = "For the service account's annotation `eks.amazonaws.com/role-arn`, or the exporter's `assume_role.role_arn`."
  value       = aws_iam_role.exporter.arn
}

output "role_name" {
  description = "The role's name."
  value       = aws_iam_role.exporter.name
}

output "policy" {
  description = "What the role may do, as JSON."
  value       = module.documents.policy
}

output "trust_policy" {
  description = "Who may take the role, as JSON."
  value       = module.documents.trust_policy
}

output "connector_arns" {
  description = "ARNs of the connectors that can be read."
  value       = module.documents.connector_arns
}

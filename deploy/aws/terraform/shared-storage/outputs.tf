output "storage_url" {
  description = "Value of `--storage.url`."
  value       = "dynamodb://${aws_dynamodb_table.state.name}?region=${split(":", aws_dynamodb_table.state.arn)[3]}"
}

output "table_arn" {
  description = "ARN of the table."
  value       = aws_dynamodb_table.state.arn
}

output "table_name" {
  description = "Name of the table."
  value       = aws_dynamodb_table.state.name
}

output "policy" {
  description = "Additional policy of the exporters, as JSON."
  value       = local.policy
}

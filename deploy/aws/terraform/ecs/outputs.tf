output "service_name" {
  description = "Name of the service."
  value       = aws_ecs_service.exporter.name
}

output "security_group_id" {
  description = "Security group of the tasks."
  value       = aws_security_group.exporter.id
}

output "task_role_name" {
  description = "Name of the task role, for `role_names` of the module `discovery`."
  value       = aws_iam_role.task.name
}

output "task_role_arn" {
  description = "ARN of the task role, for `cross_account.principal_arns` of the roles that it assumes."
  value       = aws_iam_role.task.arn
}

output "policy" {
  description = "Policy of the task role, as JSON."
  value       = local.task_policy
}

output "log_group_name" {
  description = "Log group of the tasks."
  value       = aws_cloudwatch_log_group.exporter.name
}

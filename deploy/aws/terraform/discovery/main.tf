terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

locals {
  kms         = var.create_kms_key || var.kms_key_arn != null
  kms_key_arn = var.create_kms_key ? aws_kms_key.queues[0].arn : var.kms_key_arn
  queue_names = toset(var.queue_names)
}

module "documents" {
  source = "./documents"

  rule_arn               = aws_cloudwatch_event_rule.connectors.arn
  cloudtrail_rule_arn    = var.cloudtrail_rule ? aws_cloudwatch_event_rule.cloudtrail[0].arn : null
  queue_arns             = { for name, queue in aws_sqs_queue.events : name => queue.arn }
  dead_letter_queue_arns = { for name, queue in aws_sqs_queue.dead_letters : name => queue.arn }
  files_only             = var.files_only
  max_receive_count      = var.max_receive_count
  kms                    = local.kms
  kms_key_arn            = local.kms_key_arn
  sender_arns            = var.sender_arns
  connector_arns         = var.connector_arns
  look_up_cloudtrail     = var.look_up_cloudtrail
  list_connectors        = var.list_connectors
  test_connections       = var.test_connections
}

resource "aws_cloudwatch_event_rule" "connectors" {
  name          = var.name
  description   = "Results of file transfers of AWS Transfer Family SFTP connectors"
  event_pattern = module.documents.event_pattern
  tags          = var.tags
}

resource "aws_cloudwatch_event_rule" "cloudtrail" {
  count = var.cloudtrail_rule ? 1 : 0

  name          = "${var.name}-cloudtrail"
  description   = "Started file transfers of AWS Transfer Family connectors, from CloudTrail"
  event_pattern = module.documents.cloudtrail_event_pattern
  tags          = var.tags
}

# The policy of the queue allows the rules to send. A target that is a queue must not have a role.
resource "aws_cloudwatch_event_target" "connectors" {
  for_each = local.queue_names

  rule      = aws_cloudwatch_event_rule.connectors.name
  target_id = each.key
  arn       = aws_sqs_queue.events[each.key].arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters[each.key].arn
  }
}

resource "aws_cloudwatch_event_target" "cloudtrail" {
  for_each = var.cloudtrail_rule ? local.queue_names : toset([])

  rule      = aws_cloudwatch_event_rule.cloudtrail[0].name
  target_id = each.key
  arn       = aws_sqs_queue.events[each.key].arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters[each.key].arn
  }
}

resource "aws_sqs_queue" "events" {
  for_each = local.queue_names

  name                       = each.key
  message_retention_seconds  = 1209600 # 14 days, the maximum
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = var.visibility_timeout_seconds
  redrive_policy             = module.documents.redrive_policies[each.key]
  sqs_managed_sse_enabled    = local.kms ? null : true
  kms_master_key_id          = local.kms ? local.kms_key_arn : null
  tags                       = var.tags
}

resource "aws_sqs_queue" "dead_letters" {
  for_each = local.queue_names

  name                      = "${each.key}-dlq"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = local.kms ? null : true
  kms_master_key_id         = local.kms ? local.kms_key_arn : null
  tags                      = var.tags
}

resource "aws_sqs_queue_policy" "events" {
  for_each = local.queue_names

  queue_url = aws_sqs_queue.events[each.key].id
  policy    = module.documents.queue_policies[each.key]
}

resource "aws_sqs_queue_policy" "dead_letters" {
  for_each = local.queue_names

  queue_url = aws_sqs_queue.dead_letters[each.key].id
  policy    = module.documents.dead_letter_queue_policies[each.key]
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  for_each = local.queue_names

  queue_url            = aws_sqs_queue.dead_letters[each.key].id
  redrive_allow_policy = module.documents.redrive_allow_policies[each.key]
}

resource "aws_kms_key" "queues" {
  count = var.create_kms_key ? 1 : 0

  description         = "Queues for transfer events: ${var.name}"
  enable_key_rotation = true
  policy              = module.documents.key_policy
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "oldest_message" {
  for_each = local.queue_names

  alarm_name          = "${each.key}-oldest-message"
  alarm_description   = "Transfer events are not received: check that the exporter is running and may receive and delete messages."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.events[each.key].name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.oldest_message_seconds
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  for_each = local.queue_names

  alarm_name          = "${each.key}-dead-letters"
  alarm_description   = "Messages that the exporter could not parse or EventBridge could not deliver."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters[each.key].name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags
}

resource "aws_iam_role_policy" "exporter" {
  count = length(var.role_names)

  name   = var.name
  role   = var.role_names[count.index]
  policy = module.documents.policy
}

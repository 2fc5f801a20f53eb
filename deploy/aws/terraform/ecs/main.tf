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
  # arn:PARTITION:ecs:REGION:ACCOUNT:cluster/NAME
  cluster   = split(":", var.cluster_arn)
  partition = local.cluster[1]
  region    = local.cluster[3]
  account   = local.cluster[4]

  container = "aws-transfer-exporter"
  port      = 10922
  # Without TLS and users, whatever --web.config.file requires.
  health = "--web.health-listen-address=127.0.0.1:10924"

  read_statements = length(var.connector_arns) == 0 ? [] : [{
    Sid      = "ReadFileTransferResults"
    Effect   = "Allow"
    Action   = "transfer:ListFileTransferResults"
    Resource = sort(distinct(var.connector_arns))
  }]

  assume_statements = length(var.assume_role_arns) == 0 ? [] : [{
    Sid      = "AssumeTransferReadRoles"
    Effect   = "Allow"
    Action   = "sts:AssumeRole"
    Resource = sort(distinct(var.assume_role_arns))
  }]

  storage_statements = [{
    Sid      = "ShareState"
    Effect   = "Allow"
    Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
    Resource = [var.table_arn]
  }]

  # Reports of other tasks that have been read, and entries of tasks that are gone.
  shard_statements = var.shards == 1 ? [] : [{
    Sid       = "ShareShards"
    Effect    = "Allow"
    Action    = "dynamodb:DeleteItem"
    Resource  = [var.table_arn]
    Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["*inbox-*", "*members"] } }
  }]
  shard_arguments = var.shards == 1 ? [] : ["--shard.index=auto", "--shard.total=${var.shards}"]

  # arn:PARTITION:dynamodb:REGION:ACCOUNT:table/NAME
  table       = split(":", var.table_arn)
  storage_url = "dynamodb://${split("/", var.table_arn)[1]}?region=${local.table[3]}"

  task_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.read_statements, local.assume_statements, local.storage_statements, local.shard_statements)
  })

  task_trust_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Tasks"
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
        StringEquals = { "aws:SourceAccount" = local.account }
      }
    }]
  })

  execution_trust_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Tasks"
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  # An ARN of a secret may have a JSON key, a version stage and a version id after its name.
  secret_arns    = distinct([for arn in values(var.secrets) : join(":", slice(split(":", arn), 0, 7)) if split(":", arn)[2] == "secretsmanager"])
  parameter_arns = distinct([for arn in values(var.secrets) : arn if split(":", arn)[2] == "ssm"])
  secret_statements = [
    for action, arns in {
      "secretsmanager:GetSecretValue" = local.secret_arns
      "ssm:GetParameters"             = local.parameter_arns
      } : {
      Effect   = "Allow"
      Action   = action
      Resource = sort(arns)
    } if length(arns) > 0
  ]
  secrets_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = local.secret_statements
  })

  container_definitions = jsonencode([{
    name      = local.container
    image     = var.image
    essential = true
    command = concat([
      "--web.listen-address=:${local.port}",
      local.health,
      "--storage.url=${local.storage_url}",
      "--storage.lease-duration=${var.lease_duration}",
    ], local.shard_arguments, var.extra_arguments)
    environment            = [for name, value in var.environment : { name = name, value = value }]
    secrets                = [for name, arn in var.secrets : { name = name, valueFrom = arn }]
    portMappings           = [{ containerPort = local.port, protocol = "tcp" }]
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    # Pending scrapes are answered, and the lease is given back.
    stopTimeout = 30
    # A standby is healthy.
    healthCheck = {
      command     = ["CMD", "/usr/bin/aws-transfer-exporter", "healthcheck", local.health]
      interval    = 10
      timeout     = 5
      retries     = 3
      startPeriod = 10
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.exporter.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "ecs"
      }
    }
  }])
}

resource "aws_cloudwatch_log_group" "exporter" {
  #checkov:skip=CKV_AWS_158:encrypted with a key of CloudWatch Logs; set kms_key_arn for a key of the account
  name              = "/ecs/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
  tags              = var.tags
}

resource "aws_iam_role" "task" {
  name                 = "${var.name}-task"
  description          = "Reads the results of file transfers of AWS Transfer Family connectors"
  assume_role_policy   = local.task_trust_policy
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "task" {
  name   = "aws-transfer-exporter"
  role   = aws_iam_role.task.name
  policy = local.task_policy
}

resource "aws_iam_role" "execution" {
  name                 = "${var.name}-execution"
  description          = "Pulls the image, reads the secrets and writes the logs of aws-transfer-exporter"
  assume_role_policy   = local.execution_trust_policy
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "secrets" {
  count = length(var.secrets) > 0 ? 1 : 0

  name   = "secrets"
  role   = aws_iam_role.execution.name
  policy = local.secrets_policy
}

resource "aws_security_group" "exporter" {
  name        = var.name
  description = "Tasks of aws-transfer-exporter"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "scrapers" {
  count = length(var.scraper_security_group_ids)

  security_group_id            = aws_security_group.exporter.id
  description                  = "Scrapes"
  referenced_security_group_id = var.scraper_security_group_ids[count.index]
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.exporter.id
  description       = "AWS APIs"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}

resource "aws_ecs_task_definition" "exporter" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = local.container_definitions
  tags                     = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }
}

resource "aws_ecs_service" "exporter" {
  name                               = var.name
  cluster                            = var.cluster_arn
  task_definition                    = aws_ecs_task_definition.exporter.arn
  desired_count                      = var.desired_count
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  tags                               = var.tags
  depends_on                         = [aws_iam_role_policy.task, aws_iam_role_policy.secrets, aws_iam_role_policy_attachment.execution]

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.exporter.id]
    assign_public_ip = var.assign_public_ip
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "service_registries" {
    for_each = aws_service_discovery_service.exporter[*].arn

    content {
      registry_arn = service_registries.value
    }
  }
}

# One A record per task, standbys included. A name resolves to eight at most.
resource "aws_service_discovery_service" "exporter" {
  count = var.cloud_map == null ? 0 : 1

  name = var.name
  tags = var.tags

  dns_config {
    namespace_id   = var.cloud_map.namespace_id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 10
    }
  }
}

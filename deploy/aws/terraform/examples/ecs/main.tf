# Two exporters on ECS with Fargate, in the account of the connectors, with their state in a DynamoDB table.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

provider "aws" {
  region = "eu-central-1"
}

module "shared_storage" {
  source = "../../shared-storage"
}

module "exporter" {
  source = "../../ecs"

  cluster_arn                = "arn:aws:ecs:eu-central-1:123456789012:cluster/monitoring"
  image                      = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/aws-transfer-exporter:0.1.0"
  vpc_id                     = "vpc-0123456789abcdef0"
  subnet_ids                 = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  scraper_security_group_ids = ["sg-0123456789abcdef0"]
  table_arn                  = module.shared_storage.table_arn
  connector_arns = [
    "arn:aws:transfer:eu-central-1:123456789012:connector/c-0123456789abcdef0",
    "arn:aws:transfer:eu-central-1:123456789012:connector/c-0123456789abcdef1",
  ]
}

output "security_group_id" {
  value = module.exporter.security_group_id
}

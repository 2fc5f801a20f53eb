# Apply in the account of the connectors. The exporter runs in account 210987654321.

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

variable "external_id" {
  description = "A unique value, for example from `uuidgen`."
  type        = string
}

module "exporter_role" {
  source = "../.."

  name = "transfer-read"
  connector_arns = [
    "arn:aws:transfer:eu-central-1:123456789012:connector/c-0123456789abcdef0",
    "arn:aws:transfer:eu-central-1:123456789012:connector/c-0123456789abcdef1",
  ]

  cross_account = {
    principal_arns = ["arn:aws:iam::210987654321:role/aws-transfer-exporter"]
    external_id    = var.external_id
  }
}

output "role_arn" {
  value = module.exporter_role.role_arn
}

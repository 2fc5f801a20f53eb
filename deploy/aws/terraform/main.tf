terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

module "documents" {
  source = "./documents"

  connector_arns   = var.connector_arns
  connector_ids    = var.connector_ids
  account_id       = var.account_id
  region           = var.region
  partition        = var.partition
  test_connections = var.test_connections
  assume_role_arns = var.assume_role_arns
  irsa             = var.irsa
  cross_account    = var.cross_account
}

resource "aws_iam_role" "exporter" {
  name                 = var.name
  path                 = var.path
  description          = "Reads the results of file transfers of AWS Transfer Family connectors"
  assume_role_policy   = module.documents.trust_policy
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "exporter" {
  name   = "aws-transfer-exporter"
  role   = aws_iam_role.exporter.id
  policy = module.documents.policy
}

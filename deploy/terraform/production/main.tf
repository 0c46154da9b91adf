# Production, and the pipeline's home beside it: registry, evidence, backups, the key that signs, and the pipeline's roles.

data "aws_partition" "current" {}

locals {
  # The signing key names this role in its policy, before the role is there.
  signing_role_arn = "arn:${data.aws_partition.current.partition}:iam::${var.account}:role/shopkart-signer"
}

module "environment" {
  source    = "../modules/environment"
  providers = { aws = aws, aws.global = aws.global, helm = helm, random = random }

  environment      = "production"
  zones            = var.zones
  network          = var.network
  cluster          = var.cluster
  api_client_cidrs = var.api_client_cidrs
  administrators   = var.administrators
  deploy_role_arn  = module.iam.role_arns["deploy-production"]
  read_role_arn    = module.iam.role_arns["control"]
  registry         = { account = var.account, region = var.region, prefix = "shopkart/" }
  database         = var.database
  cache            = var.cache
  secrets          = var.secrets
  edge             = var.edge
  monitoring       = merge(var.monitoring, { recipients = var.alarm_recipients })
}

module "kms" {
  source = "../modules/kms"

  name             = "shopkart"
  signing_role_arn = local.signing_role_arn
  keys = {
    registry = { description = "Images." }
    secrets  = { description = "Secrets of the pipeline." }
    storage  = { description = "Evidence, backups and outputs of stages." }
  }
}

module "ecr" {
  source = "../modules/ecr"

  repositories = setunion(var.repositories, ["pipeline"])
  key_arn      = module.kms.arns["registry"]
}

module "storage" {
  source = "../modules/storage"

  name          = "shopkart"
  key_arn       = module.kms.arns["storage"]
  evidence_days = var.evidence.days
}

# The pipeline's own: its backups and restarts don't disturb the shop, nor the shop's the pipeline.
module "pipeline_database" {
  source = "../modules/rds"

  name                      = "shopkart-pipeline"
  vpc_id                    = module.environment.network.vpc_id
  subnet_ids                = module.environment.data_subnet_ids
  client_security_group_ids = { nodes = module.environment.node_security_group_id }
  key_arn                   = module.environment.key_arns["database"]
  logs_key_arn              = module.environment.key_arns["logs"]
  database                  = var.pipeline_database
}

module "pipeline_secrets" {
  source = "../modules/secrets"

  prefix  = "shopkart/pipeline"
  secrets = var.pipeline_secrets
  key_arn = module.kms.arns["secrets"]
}

module "backup_secrets" {
  source = "../modules/secrets"

  prefix  = "shopkart/backup"
  secrets = var.backup_secrets
  key_arn = module.kms.arns["secrets"]
}

module "iam" {
  source = "../modules/iam"

  name = "shopkart"
  pipeline = {
    cluster_name = module.environment.cluster.name
    cluster_arn  = module.environment.cluster.arn
    namespace    = "shopkart-pipeline"
  }
  clusters      = { staging = "shopkart-staging", production = module.environment.cluster.name }
  buckets       = module.storage.bucket_names
  evidence_days = var.evidence.days
  key_arns = {
    storage = module.kms.arns["storage"]
    signing = module.kms.signing_key_arn
  }
}

module "github" {
  source = "../modules/github"

  name                 = "shopkart"
  organisation         = var.github.organisation
  repositories         = var.github.repositories
  reviews              = var.github.reviews
  pipeline_repository  = var.github.pipeline_repository
  release_approvers    = var.github.release_approvers
  image_repository_arn = module.ecr.repository_arns["pipeline"]
}

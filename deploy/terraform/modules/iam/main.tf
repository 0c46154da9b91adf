# The pipeline's rights, split by what a run does. Each role belongs to one service account of the pipeline's namespace;
# a pod without such an account, as those that run a project's own commands, has no identity at all.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  place = {
    account      = data.aws_caller_identity.current.account_id
    backups      = var.buckets["backups"]
    compute_logs = var.buckets["compute-logs"]
    evidence     = var.buckets["evidence"]
    # What is locked for the declared days has a moment less left when S3 looks.
    evidence_days = var.evidence_days - 1
    name          = var.name
    partition     = data.aws_partition.current.partition
    prefix        = var.prefix
    region        = data.aws_region.current.region
    storage_key   = var.key_arns["storage"]
  }

  # The policy of each role, and what it is filled with besides.
  roles = {
    control           = { policy = "control", values = var.clusters }
    build             = { policy = "build", values = {} }
    deploy-staging    = { policy = "deploy", values = { environment = "staging", cluster = var.clusters["staging"] } }
    deploy-production = { policy = "deploy", values = { environment = "production", cluster = var.clusters["production"] } }
    rescan            = { policy = "rescan", values = {} }
    backup            = { policy = "backup", values = {} }
    signer            = { policy = "signer", values = { signing_key = var.key_arns["signing"] } }
    webserver         = { policy = "outputs", values = {} }
    external-secrets  = { policy = "external-secrets", values = {} }
  }
}

locals {
  # The operator that brings secrets into the pipeline's namespace lives in its own.
  namespaces = { external-secrets = "external-secrets" }
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name                 = "${var.name}-${each.key}"
  description          = "The pipeline's runs as ${each.key}."
  max_session_duration = 3600

  assume_role_policy = templatefile("${path.module}/policies/trust.json", {
    account         = local.place.account
    cluster_arn     = var.pipeline.cluster_arn
    namespace       = lookup(local.namespaces, each.key, var.pipeline.namespace)
    service_account = each.key
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.roles

  name   = each.value.policy
  role   = aws_iam_role.this[each.key].id
  policy = templatefile("${path.module}/policies/${each.value.policy}.json", merge(local.place, each.value.values))
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = aws_iam_role.this

  cluster_name    = var.pipeline.cluster_name
  namespace       = lookup(local.namespaces, each.key, var.pipeline.namespace)
  service_account = each.key
  role_arn        = each.value.arn
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  place = {
    partition = data.aws_partition.current.partition
    account   = data.aws_caller_identity.current.account_id
    region    = data.aws_region.current.region
  }
}

# Of each purpose a key of its own: who may read logs can't read secrets.
resource "aws_kms_key" "encryption" {
  for_each = var.keys

  description             = each.value.description
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = templatefile("${path.module}/policies/${each.value.policy}.json", local.place)
}

resource "aws_kms_alias" "encryption" {
  for_each = aws_kms_key.encryption

  name          = "alias/${var.name}/${each.key}"
  target_key_id = each.value.key_id
}

# The private half never leaves KMS, and everybody who verifies has the public one. AWS rotates no such key by itself:
# make a new one, and list both public keys until the statements of the old one are of no more use.
resource "aws_kms_key" "signing" {
  #checkov:skip=CKV_AWS_7: Asymmetric keys can't be rotated by AWS; docs/security.md tells how to.
  count = var.signing_role_arn == null ? 0 : 1

  description              = "Signs attestations about images."
  key_usage                = "SIGN_VERIFY"
  customer_master_key_spec = "ECC_NIST_P256"
  deletion_window_in_days  = 30
  policy = templatefile("${path.module}/policies/signing.json", merge(local.place, {
    signer_role_arn = var.signing_role_arn
  }))

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "signing" {
  count = var.signing_role_arn == null ? 0 : 1

  name          = "alias/${var.name}/attestations"
  target_key_id = aws_kms_key.signing[0].key_id
}

# Evidence that nobody can shorten, backups, outputs of stages, and who read any of it.

data "aws_caller_identity" "current" {}

locals {
  buckets = toset(["evidence", "backups", "compute-logs", "access-logs"])
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144: One region, as everything else here; docs/production-inventory.md says so.
  #checkov:skip=CKV2_AWS_62: Nothing waits for new objects.
  #checkov:skip=CKV2_AWS_6: All of them are blocked below; checkov doesn't follow `for_each`.
  #checkov:skip=CKV2_AWS_61: All of them have rules below; checkov doesn't follow `for_each`.
  #checkov:skip=CKV_AWS_21: All of them are versioned below; checkov doesn't follow `for_each`.
  #checkov:skip=CKV_AWS_145: All but the one for access logs are, below; checkov doesn't follow `for_each`.
  #checkov:skip=CKV_AWS_18: The bucket for access logs can't log into itself; the others log there.
  for_each = local.buckets

  bucket              = "${var.name}-${each.key}-${data.aws_caller_identity.current.account_id}"
  object_lock_enabled = each.key == "evidence"
  force_destroy       = false

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = aws_s3_bucket.this

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

# Access logs alone have S3's own key: its log service can use no other.
resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    bucket_key_enabled = each.key != "access-logs"

    apply_server_side_encryption_by_default {
      sse_algorithm     = each.key == "access-logs" ? "AES256" : "aws:kms"
      kms_master_key_id = each.key == "access-logs" ? null : var.key_arn
    }
  }
}

resource "aws_s3_bucket_object_lock_configuration" "evidence" {
  bucket = aws_s3_bucket.this["evidence"].id

  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = var.evidence_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

locals {
  # For how many days an object, and one that was removed or overwritten, is kept; null: for ever.
  kept_days = {
    "evidence"     = { current = null, earlier = null }
    "backups"      = { current = null, earlier = var.backup_days }
    "compute-logs" = { current = var.log_days, earlier = 7 }
    "access-logs"  = { current = var.log_days, earlier = 7 }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    id     = "unfinished"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  dynamic "rule" {
    for_each = local.kept_days[each.key].current == null ? [] : [local.kept_days[each.key].current]

    content {
      id     = "old"
      status = "Enabled"

      filter {}

      expiration {
        days = rule.value
      }
    }
  }

  dynamic "rule" {
    for_each = local.kept_days[each.key].earlier == null ? [] : [local.kept_days[each.key].earlier]

    content {
      id     = "earlier"
      status = "Enabled"

      filter {}

      noncurrent_version_expiration {
        noncurrent_days = rule.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_policy" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  policy = templatefile("${path.module}/policies/${each.key == "evidence" || each.key == "access-logs" ? each.key : "private"}.json", {
    account    = data.aws_caller_identity.current.account_id
    bucket_arn = each.value.arn
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_logging" "this" {
  for_each = { for name, bucket in aws_s3_bucket.this : name => bucket if name != "access-logs" }

  bucket        = each.value.id
  target_bucket = aws_s3_bucket.this["access-logs"].id
  target_prefix = "${each.key}/"
}

# Disks of this region and account are encrypted whoever makes them, such as a cluster for a volume claim.
resource "aws_ebs_encryption_by_default" "this" {
  enabled = true
}

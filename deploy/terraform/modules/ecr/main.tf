# A repository for each service, as the pipeline itself would make it (docs/registry.md), so that its role needs no right
# to make or change one.

resource "aws_ecr_repository" "this" {
  for_each = var.repositories

  name                 = "${var.prefix}${each.key}"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = false

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = aws_ecr_repository.this

  repository = each.value.name
  policy     = file("${path.module}/policies/lifecycle.json")
}

resource "aws_ecr_repository_policy" "pull" {
  for_each = length(var.pulling_role_arns) == 0 ? {} : aws_ecr_repository.this

  repository = each.value.name
  policy = templatefile("${path.module}/policies/pull.json", {
    principals = join("\", \"", sort(var.pulling_role_arns))
  })
}

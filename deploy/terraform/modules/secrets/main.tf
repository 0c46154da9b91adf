# The places for secrets. What is in them is nowhere in this code or its state.

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57: Values come from outside (tokens, passwords of others); whoever gives them rotates them.
  for_each = var.secrets

  name                    = "${var.prefix}/${each.key}"
  description             = each.value
  kms_key_id              = var.key_arn
  recovery_window_in_days = 30
}

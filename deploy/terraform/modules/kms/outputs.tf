output "arns" {
  description = "ARNs of the keys for encryption, by their names."
  value       = { for name, key in aws_kms_key.encryption : name => key.arn }
}

output "signing_key_arn" {
  description = "ARN of the key that signs attestations (for SHOPKART_SIGNER_URI, after `awskms:`); null where there is none."
  value       = one(aws_kms_key.signing[*].arn)
}

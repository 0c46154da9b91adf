output "bucket_names" {
  description = "Names of the buckets `evidence`, `backups`, `compute-logs` and `access-logs`."
  value       = { for name, bucket in aws_s3_bucket.this : name => bucket.id }
}

output "bucket_arns" {
  description = "Their ARNs."
  value       = { for name, bucket in aws_s3_bucket.this : name => bucket.arn }
}

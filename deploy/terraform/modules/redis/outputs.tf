output "id" {
  description = "Name of the replication group."
  value       = aws_elasticache_replication_group.this.id
}

output "primary_address" {
  description = "Host that takes writes; it stays the same when another node takes over."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "reader_address" {
  description = "Host that spreads reads over the replicas."
  value       = aws_elasticache_replication_group.this.reader_endpoint_address
}

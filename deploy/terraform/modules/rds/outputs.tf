output "identifier" {
  description = "Name of the instance."
  value       = aws_db_instance.this.identifier
}

output "address" {
  description = "Host of the database."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Port of the database."
  value       = aws_db_instance.this.port
}

output "master_secret_arn" {
  description = "Where Secrets Manager keeps user and password."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

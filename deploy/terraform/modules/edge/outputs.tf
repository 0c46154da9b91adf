output "gateway" {
  description = "Namespace and name of the Gateway that routes of the environment name as their parent."
  value       = { namespace = helm_release.gateway.namespace, name = "shopkart" }
}

output "load_balancer_arn_suffix" {
  description = "What CloudWatch calls the load balancer; null before it is there."
  value       = one(data.aws_lb.gateway[*].arn_suffix)
}

output "distribution_id" {
  description = "CloudFront's distribution; null before the load balancer is there."
  value       = one(aws_cloudfront_distribution.this[*].id)
}

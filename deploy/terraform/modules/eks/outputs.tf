output "name" {
  description = "Name of the cluster, for `cluster` under `options` of the environment."
  value       = aws_eks_cluster.this.name
}

output "arn" {
  description = "ARN of the cluster."
  value       = aws_eks_cluster.this.arn
}

output "endpoint" {
  description = "Address of its API, inside the network."
  value       = aws_eks_cluster.this.endpoint
}

output "certificate_authority" {
  description = "Certificate of its authority, in Base64."
  value       = aws_eks_cluster.this.certificate_authority[0].data
}

output "node_security_group_id" {
  description = "Security group of all nodes and pods: what databases let in."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "node_role_arn" {
  description = "ARN of the nodes' role."
  value       = aws_iam_role.node.arn
}

output "is_ready" {
  description = "Name of the cluster once nodes and add-ons are there, for what is installed into it."
  value       = aws_eks_cluster.this.name

  depends_on = [aws_eks_node_group.system, aws_eks_addon.this, aws_eks_access_policy_association.administrator]
}

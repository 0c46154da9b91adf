# Three managed nodes carry what has to run before Karpenter can add any.

resource "aws_iam_role" "node" {
  name = "${var.name}-node"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each = toset(["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonSSMManagedInstanceCore"])

  role       = aws_iam_role.node.name
  policy_arn = "${local.managed}/${each.key}"
}

# Instead of AmazonEC2ContainerRegistryPullOnly, which reaches every repository of the account.
resource "aws_iam_role_policy" "pull" {
  name = "pull"
  role = aws_iam_role.node.id

  policy = templatefile("${path.module}/policies/pull.json", {
    partition = data.aws_partition.current.partition
    account   = var.registry.account
    region    = var.registry.region
    prefix    = var.registry.prefix
  })
}

resource "aws_launch_template" "node" {
  name        = "${var.name}-node"
  description = "Managed nodes: encrypted disks, and a metadata service that pods don't reach."

  # Bottlerocket's own system.
  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_size           = 4
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  # Images, containers and their logs.
  block_device_mappings {
    device_name = "/dev/xvdb"

    ebs {
      volume_size           = var.nodes.disk_gigabytes
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "${var.name}-node" }
  }
}

resource "aws_eks_node_group" "system" {
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "system"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = var.subnet_ids
  ami_type        = "BOTTLEROCKET_x86_64"
  instance_types  = var.nodes.instance_types

  scaling_config {
    desired_size = var.nodes.minimum
    min_size     = var.nodes.minimum
    max_size     = var.nodes.maximum
  }

  launch_template {
    id      = aws_launch_template.node.id
    version = aws_launch_template.node.latest_version
  }

  update_config {
    max_unavailable = 1
  }

  node_repair_config {
    enabled = true
  }

  lifecycle {
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_eks_addon.network, aws_iam_role_policy.pull, aws_iam_role_policy_attachment.node]
}

# The way from the pipeline's network to a cluster whose endpoint is private.

resource "aws_vpc_peering_connection" "pipeline" {
  count = var.peer == null ? 0 : 1

  vpc_id      = aws_vpc.this.id
  peer_vpc_id = var.peer.vpc_id
  auto_accept = true
  tags        = { Name = "${var.name}-pipeline" }
}

resource "aws_route" "to_pipeline" {
  for_each = var.peer == null ? {} : aws_route_table.private

  route_table_id            = each.value.id
  destination_cidr_block    = var.peer.cidr
  vpc_peering_connection_id = aws_vpc_peering_connection.pipeline[0].id
}

resource "aws_route" "from_pipeline" {
  for_each = var.peer == null ? {} : var.peer.route_table_ids

  route_table_id            = each.value
  destination_cidr_block    = var.cidr
  vpc_peering_connection_id = aws_vpc_peering_connection.pipeline[0].id
}

from uuid import uuid5

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def put_in_lanes(apps, schema_editor):
    """Give every ticket the lane it would have been opened in."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET LOCAL statement_timeout = 0")
    Ticket, Lane = apps.get_model("reviews", "Ticket"), apps.get_model("reviews", "Lane")
    found = Ticket.objects.values_list("queue_id", "decision__policy_id", "region_id").distinct()
    for queue, policy, region in list(found):
        lane = Lane.objects.create(
            id=uuid5(queue, f"{policy} {region}"),
            queue_id=queue,
            policy_id=policy,
            region_id=region,
        )
        here = Ticket.objects.filter(queue_id=queue, decision__policy_id=policy)
        here = here.filter(region_id=region) if region else here.filter(region_id__isnull=True)
        here.update(lane=lane)


class Migration(migrations.Migration):

    dependencies = [
        ('reviews', '0002_ticket_ref_sequence'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='historicalticket',
            name='revoked_seen_at',
            field=models.DateTimeField(help_text='When the requester said that they know of the revocation.', null=True),
        ),
        migrations.AddField(
            model_name='ticket',
            name='revoked_seen_at',
            field=models.DateTimeField(help_text='When the requester said that they know of the revocation.', null=True),
        ),
        migrations.CreateModel(
            name='Skip',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='skips', to=settings.AUTH_USER_MODEL)),
                ('ticket', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='skips', to='reviews.ticket')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('person', 'ticket'), name='skip_one_per_person')],
            },
        ),
        migrations.CreateModel(
            name='Lane',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='approvals.approvalpolicy')),
                ('queue', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='reviews.queue')),
                ('region', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='reviews.region')),
            ],
        ),
        migrations.AddField(
            model_name='ticket',
            name='lane',
            field=models.ForeignKey(db_index=False, help_text="Its queue, region and the present round's policy, in one.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name='tickets', to='reviews.lane'),
        ),
        migrations.RemoveIndex(
            model_name='ticket',
            name='ticket_rank_young',
        ),
        migrations.RemoveIndex(
            model_name='ticket',
            name='ticket_rank_base',
        ),
        migrations.RemoveIndex(
            model_name='ticket',
            name='ticket_by_queue',
        ),
        migrations.RunPython(put_in_lanes, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(models.F('lane'), models.OrderBy(models.F('rank_young'), descending=True), models.F('id'), condition=models.Q(('status', 'pending')), name='ticket_lane_young'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(models.F('lane'), models.OrderBy(models.F('rank_base'), descending=True), models.F('id'), condition=models.Q(('status', 'pending')), name='ticket_lane_base'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(models.F('lane'), models.OrderBy(models.F('id'), descending=True), name='ticket_by_lane'),
        ),
        migrations.AddIndex(
            model_name='ticket',
            index=models.Index(models.F('lane'), models.F('due_at'), condition=models.Q(('status', 'pending')), name='ticket_lane_due'),
        ),
    ]

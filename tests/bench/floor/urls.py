"""A bare `ModelSerializer` behind a generic view."""

from django.urls import path
from rest_framework import generics, serializers

from tests.bench.floor.models import Note


class NoteSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    class Meta:
        model = Note
        fields = ["id", "title", "proposal", "priority", "created_at"]


class Notes(generics.CreateAPIView):  # type: ignore[type-arg]
    queryset = Note.objects.all()
    serializer_class = NoteSerializer


urlpatterns = [path("notes", Notes.as_view())]

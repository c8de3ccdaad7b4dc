"""A bare `ModelSerializer` behind a generic view."""

from django.urls import path
from rest_framework import generics, serializers

from tests.bench.floor.models import Note


class NoteSerializer(serializers.ModelSerializer):
    class Meta:
        model = Note
        fields = ["id", "title", "proposal", "priority", "created_at"]


class Notes(generics.CreateAPIView):
    queryset = Note._default_manager.all()
    serializer_class = NoteSerializer


urlpatterns = [path("notes", Notes.as_view())]

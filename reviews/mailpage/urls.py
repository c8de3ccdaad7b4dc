"""The addresses of the mail page."""

from django.urls import path

from reviews.mailpage import views

urlpatterns = [
    path("a/d/<uuid:link_id>/", views.LinkPage.as_view(), name="mail-page"),
    path("a/<str:token>", views.OpenLink.as_view(), name="mail-link"),
]

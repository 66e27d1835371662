"""The site's routes. Of allauth only what has a use here: nobody signs up by himself, and no mail is sent."""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.usersessions import views as usersessions
from django.urls import include, path

urlpatterns = [
    path("accounts/login/", account.login, name="account_login"),
    path("accounts/second-step/", mfa.authenticate, name="mfa_authenticate"),
    path("accounts/logout/", account.logout, name="account_logout"),
    path("accounts/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("accounts/inactive/", account.account_inactive, name="account_inactive"),
    path("accounts/password/change/", account.password_change, name="account_change_password"),
    path("accounts/sessions/", usersessions.list_usersessions, name="usersessions_list"),
    path("", include("vms.urls")),
]
handler400 = "vms.views.errors.bad_request"
handler403 = "vms.views.errors.forbidden"
handler404 = "vms.views.errors.not_found"
handler500 = "vms.views.errors.server_error"

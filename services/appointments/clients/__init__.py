"""What appointments reaches outside: messengers, one for each channel that has one."""

from services.appointments.clients.folder import FolderMessenger
from services.appointments.clients.messenger import Messenger
from services.appointments.clients.smtp import Mailer, SmtpMessenger

__all__ = ["FolderMessenger", "Mailer", "Messenger", "SmtpMessenger"]

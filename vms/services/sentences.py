"""The sentence for every code: rows and errors keep code and parameters, people read what is made here.

A sentence names the thing, the reason and the way out, in the reader's language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_noop as mark

from vms.kinds import KINDS
from vms.kinds.privileges import PRIVILEGES
from vms.kinds.scopes import BUNDLES
from vms.models import Operation
from vms.services import placement_words
from vms.services.snapshot_words import reason_words

Parameters = Mapping[str, Any]

# Every leaf of vms.errors has a line here (a test walks the tree); {name} comes from the error's parameters.
ERRORS: dict[str, str] = {
    "error": mark("That did not work."),
    "refused": mark("That is not possible."),
    "not_allowed": mark("You may not do this. An administrator can."),
    "needs_more": mark(
        "This would also change “{place}” of the definition, which needs the right {privilege}. Nothing was changed."
    ),
    "not_fresh": mark("This needs your password once more: you gave it more than {minutes} minutes ago."),
    "needs_person": mark("A token may not do this. Sign in in a browser."),
    "locked": mark("{actor} asked for “{title}” {age} ago, and it is not done. Wait for it, or cancel it."),
    "wrong_state": mark("{name} is {state}. This makes no sense now."),
    "nothing_to_boot": mark("{name} has no such device, or no medium is in it."),
    "boot_fixed": mark("{name} boots a kernel that its definition names, so that no device can come before it."),
    "not_kept": mark("{name} is not kept after it stops, so there is no next start that this could be for."),
    "nothing_changes": mark("{name} is so already."),
    "not_live": mark("{name} gets this at a new start only. Ask for its next start, then restart it."),
    "seen_otherwise": mark(
        "Somebody else has changed {name} since you looked. Nothing was done; look at what it is now, then do it again."
    ),
    "vm_protected": mark("{name} is protected. Lift that first, on its Hardware page."),
    "no_pool": mark("No host shows the storage that {name} is in. Start its pool on one of them."),
    "volume_used": mark("{name} is in use: {users}. Take it off there first."),
    "volume_backs": mark("{name} lies below other volumes: {users}. Delete these first."),
    "volume_runs": mark("{name} is used by {user}, which is not off. Shut that down first."),
    "volume_not_ready": mark("{name} is not ready for this: {why}."),
    "volume_strayed": mark(
        "{name} is {format} here, and its beginning is by now that of {told}. What a guest may have written there is "
        "copied nowhere."
    ),
    "volume_found": mark(
        "{name} was not made here. Its host does not tell a file from a link to any other file, so it is listed and "
        "not served until an administrator has vouched for it."
    ),
    "volume_swapped": mark(
        "{name} is by its size or its time no longer the file that it was. It is not served until an administrator has "
        "vouched for it."
    ),
    "name_taken": mark("There is a volume called {name} already. Choose another name."),
    "vm_taken": mark("The host has a VM called {name} already. Choose another name."),
    "refused_image": mark("This disk image is refused: {reason}."),
    "refused_archive": mark("This file is not taken in: {reason}."),
    "pool_taken": mark("The host has a storage pool called {name} already. Choose another name."),
    "pool_in_use": mark(
        "{vm} needs something in {name}, so nothing in it is deleted. Delete the VM first, or keep what is inside."
    ),
    "pool_shared": mark(
        "{name} is the same storage as a pool of {host}, so nothing in it is deleted from here. Keep what is inside."
    ),
    "pools_differ": mark(
        "{volume} is not the same in {name} and in {other}, so they are two storages. If they are one, refresh both "
        "and try again."
    ),
    "pool_alone": mark("No other pool is the same storage as {name}."),
    "network_taken": mark("The host has a network called {name} already. Choose another name."),
    "network_in_use": mark("{vm} is connected to {name}, so it is not deleted. Take the VM's card out of it first."),
    "network_mismatch": mark("A network of this kind (“{mode}”) has no such thing."),
    "subnet_taken": mark("The network {name} of this host has addresses of the same subnet. Choose another subnet."),
    "filter_in_use": mark("{user} needs {name}, so it is not deleted. Take it out there first."),
    "secret_in_use": mark("{name} signs in with this secret. Change or delete that first."),
    "also_defined": mark("{name} is defined on {host} too, and its disks are the same. Remove it there first."),
    "snapshot_refused": mark("{because} Nothing was done with {name}."),
    "move_refused": mark("Disk {name} cannot be moved: {cause}."),
    "snapshot_unreadable": mark(
        "What its disk {disk} was at snapshot {name} cannot be read: {unreadable}. Go back to the snapshot, or leave "
        "that disk out."
    ),
    "folder_open": mark(
        "Others than root may write in the folder of the pool “{name}” on its host, where a dump would be written by "
        "root. Choose another pool, or let an administrator say of this one that only administrators write there."
    ),
    "cannot_move": mark("{name} can't move to {host}: {why}."),
    "past_return": mark(
        "{name} runs on the other host already, while the rest of its memory comes. This cannot be ended any more: "
        "neither host has all of it."
    ),
    "migration_refused": mark("{name} is not moved to {host}: {cause}."),
    "moved_too_long": mark("It was to end after {age}, and was not done by then. The VM runs where it was."),
    "source_changed": mark(
        "{name} is another by now than when this was asked for: it was started, stopped, grown or changed. Nothing is "
        "kept of the clone. Ask for it once more."
    ),
    "definition_changed": mark(
        "The definition of {name} is another by now than the one that you had. Nothing was overwritten; look at both "
        "and try again."
    ),
    "secret_gone": mark(
        "This definition of {name} had a secret at “{place}” which is kept nowhere. Take it into the XML editor and "
        "give the secret anew."
    ),
    "live_fixed": mark(
        "The definition of the run of {name} is not written: change the one of its next start, or what can be changed "
        "while it runs, by PATCH of the VM and by what its devices take, with apply=live."
    ),
    "belongings_changed": mark(
        "What belongs to {name} is no longer what you were told. Nothing was deleted; look at the list again."
    ),
    "volume_protected": mark("{name} is the disk of a template: nobody writes to it, takes it or deletes it."),
    "template_in_use": mark("{name} is needed by {users}. Delete these first; a full copy needs no template."),
    "template_changed": mark(
        "{name} is no longer what it was when the template was made, so nothing is made of it. Make the template a VM "
        "again, look at it, and make it a template anew."
    ),
    "no_template": mark("{name} cannot become a template: {reason}."),
    "in_maintenance": mark("{host} is in maintenance and takes no new VMs now. Choose another host, or wait."),
    "plan_changed": mark(
        "By now this would go another way than was planned: something about {host} or its VMs has changed. Look at the "
        "plan as it is now, and approve that."
    ),
    "not_all_moved": mark("{failed} of {of} VMs did not go where the plan wanted them. The host's page says why."),
    "no_host_to_plan": mark(
        "None of these hosts takes part: each is silent, in maintenance or not read yet. Choose others, or wait."
    ),
    "not_measured": mark(
        "{host} was measured for {hours} hours of the time that was asked for, and a plan needs {least}. Wait, ask for "
        "a longer time, or plan by what VMs are given alone."
    ),
    "plan_not_so": mark("The plan is {state}, so this can't be done with it. Look at it as it is now."),
    "not_shrunk": mark(
        "The plan counts on smaller VMs, and {n} are not so yet, {name} for one. Shrink them and start them again, or "
        "plan without that."
    ),
    "other_plan": mark("The plan that was approved is not this one. Look at it as it is now, and approve that."),
    "moves_left": mark(
        "{failed} of {of} moves could not be made, and {left} that were to follow were not begun. Another plan is "
        "worked out from what is so now."
    ),
    "host_silent": mark("{host} is not answering. Nothing can be asked of it until it does."),
    "runs_elsewhere": mark("A VM of the same UUID runs on {host}. Two runs would destroy its disk."),
    "bad_parameters": mark("“{field}” has no value that fits."),
    "bad_seed": mark("What you wrote for cloud-init can't be read{line}: {reason}."),
    "bad_definition": mark("This definition cannot be made as it is: {faults} faults were found."),
    "bad_fields": mark("Some fields do not fit: {fields}."),
    "key_not_offered": mark(
        "That is not the fingerprint of the key which the machine shows now. Look at it again, and compare both."
    ),
    "not_cancellable": mark("“{title}” can no longer be cancelled. Wait for its end."),
    "gives_rights": mark(
        "With the tag “{tag}” somebody would have rights on {name} that you may not give. An administrator can tag it."
    ),
    "name_gives_rights": mark(
        "Called “{called}”, {name} would give somebody rights that you may not give. An administrator can name it so."
    ),
    "over_quota": mark(
        "This takes {asked}; {whom} may have {limit} and has {used}. Give something back, or ask an administrator."
    ),
    "last_administrator": mark("{name} is the only administrator who can sign in. Make somebody else one first."),
    "factor_on": mark("Your sign-in asks for a code already."),
    "factor_off": mark("Your sign-in asks for no code."),
    "wrong_code": mark("This code opens nothing, or nothing any more. Take the one that the app shows now."),
    "switched_off": mark("{name} is switched off. Switch the account on first."),
    "invitation_refused": mark(
        "This link opens nothing: it was used, is too old, or is not complete. Ask an administrator for a new one."
    ),
    "too_many_consoles": mark("{limit} consoles are open, and that is the limit. Close one first."),
    "no_console": mark("{name} offers no such console now."),
    "no_picture": mark(
        "There is no picture of {name}'s screen: it is off, has no screen, or its host does not answer."
    ),
    "operation_lost": mark("Another operation took its place."),
    "not_heard": mark("{host} did not answer within an hour, so nothing was asked of it. Ask again when it answers."),
    "worker_died": mark("The worker could not go on, and nothing had been done. Try again."),
    "worker_lost": mark("The worker ended in the middle. Look at the VM before you try again."),
    "outbound_refused": mark(
        "Nothing is fetched from this address. It must be http or https on the internet, on the usual port, and "
        "answer; an administrator can allow others."
    ),
    "outbound_broken": mark("The server went away in the middle, or took too long. Try again."),
    "server_refused": mark("The server has nothing at this address (it answers {status})."),
    "image_refused": mark("This cannot be kept as an image: {reason}."),
    "checksum_differs": mark(
        "What came is not what its checksum says, so nothing of it was kept. Expected {expected}, found {found}."
    ),
    "ticket_refused": mark("This console ticket opens nothing ({reason}). Open the console again."),
    "virt": mark("The host said no."),
    "host_unreachable": mark("The host could not be reached. Look whether it is up and libvirt runs on it."),
    "bad_host_field": mark("“{field}” of this host is nothing to connect to. Edit the host."),
    "name_unknown": mark("No machine is known by the name {address}. Look at its spelling, or give its IP address."),
    "port_closed": mark("{address} is there, but nothing listens on port {port}. Look at the port and the service."),
    "no_route": mark("{address} gives no answer on port {port}. Look whether it is up, and at firewalls between."),
    "host_key_unknown": mark(
        "Nobody has accepted this machine's key yet. Compare its fingerprint on the machine itself, then accept it."
    ),
    "host_key_changed": mark(
        "The machine shows another key ({fingerprint}) than the accepted one ({accepted}). Either it was installed "
        "anew, or somebody stands between. Compare the fingerprint on the machine itself before you accept it."
    ),
    "key_refused": mark(
        "{address} does not take the dashboard's key for {user}. Add the key's line to ~{user}/.ssh/authorized_keys."
    ),
    "helper_missing": mark(
        "The machine has neither virt-ssh-helper nor nc. Install libvirt's clients there, or netcat-openbsd."
    ),
    "socket_forbidden": mark(
        "The user may not use libvirt there. Add it to the group libvirt, and let its sessions end, on the host."
    ),
    "libvirt_stopped": mark("libvirt does not run there. Start libvirtd, or look at the socket's path."),
    "certificate_untrusted": mark(
        "The machine's certificate is not of the CA that this host was added with. Look at both certificates."
    ),
    "certificate_expired": mark("The machine's certificate is not valid today. Renew it there, and look at its clock."),
    "certificate_name": mark(
        "The machine's certificate does not name {address}. Add the host by a name in it, or make a new certificate."
    ),
    "certificate_refused": mark(
        "libvirt there does not take the dashboard's certificate. Look at its CA and its tls_allowed_dn_list."
    ),
    "own_certificate_expired": mark("The dashboard's certificate for this host is not valid today. Give it a new one."),
    "not_libvirt": mark("What answers at {address} is not libvirt. Look at the address, the port and the transport."),
    "hung_up": mark("The machine closes the connection without a word. Look at the logs of sshd and libvirt there."),
    "same_machine": mark("This machine is in the dashboard already, as {host}. Remove one of the two."),
    "host_left_alone": mark("{host} is left alone: nothing is asked of it. An administrator can end this."),
    "wrong_host": mark(
        "A machine with another UUID answers here than the one that was added, so nothing is read or changed. Look at "
        "the host's address. Where its board was changed, or has no UUID of its own, it may be the same host."
    ),
    "auth_refused": mark("The host does not let the dashboard in. Look at its access rights to libvirt."),
    "secret_unreadable": mark(
        "The key to this host was sealed for another key file. Put KVMWEB_KEY_FILE back, or set the host's access anew."
    ),
    "not_found": mark("The host no longer knows it. It was removed outside the dashboard."),
    "invalid_state": mark("Its state changed meanwhile, and forbids this. Look at it and try again."),
    "unsupported": mark("This host cannot do that."),
    "no_pool_driver": mark(
        "libvirt on this host has no driver for pools of the type “{type}”. On Debian and Ubuntu it is in the package "
        "libvirt-daemon-driver-storage-{type} or in the storage programs that it needs."
    ),
    "timed_out": mark("The host gave no answer in time. Look at the host before you try again."),
    "upload_strange": mark("The rest of this file does not fit what has come so far. Choose the file again."),
    "upload_over": mark("This upload is over, or goes on elsewhere."),
    "upload_expired": mark("Nothing more of “{name}” came for 24 hours, so its room was given back. Upload it again."),
    "too_many_transfers": mark("{limit} files are on their way already. Wait for one of them."),
    "not_served": mark("“{name}” is not ready, or no file or disk, so that nobody gets its bytes."),
    "aborted": mark("It was ended on the host before it was done. The VM is as it was."),
    "stream_short": mark(
        "The volume ended before its last bytes. Somebody else may have written it: look at its pool."
    ),
    "network_stopped": mark("The network “{network}” is stopped, and the VM needs it."),
    "console_busy": mark("Another program on the host holds this serial line. Close it there, or take the line."),
    "bad_screen": mark("What its host gives for a picture of its screen is none. Open its console."),
    "agent_silent": mark("The guest agent gave no answer in time. It may hang, or the guest may stand still."),
    "agent_absent": mark(
        "No guest agent is connected. Install qemu-guest-agent in the guest and start it; nothing was asked of it."
    ),
    "agent_refused": mark("The guest agent refused. Details say why, in the guest's words."),
    "device_held": mark(
        "The guest does not let {device} go. Its next start is without it; unmount or stop it in the guest, then try "
        "again."
    ),
    "changed_meanwhile": mark(
        "Somebody else has changed “{place}” meanwhile, so nothing was done there. Look at what it is now, then do it "
        "again."
    ),
    "cd_held": mark(
        "The system in the VM holds its CD drive shut. Let it eject the CD, or shut it down and try again; nothing was "
        "changed."
    ),
    "boot_order_left": mark("The old order of devices could not be put back. Look at the VM's definition."),
    "bad_document": mark("The host refused the definition. Details say which part."),
    "definition_strayed": mark(
        "The host made “{place}” of the definition, which nobody had asked for. The former definition was put back. "
        "Ask the host's administrator why."
    ),
    "strayed_left": mark(
        "The host made “{place}” of the definition, which nobody had asked for, and it could not be put back. "
        "Look at the VM's definition before you start it."
    ),
    "host_refused": mark("The host refused. Details say why."),
    # Not raised, but stored: what became of an operation, and why a host is silent.
    "watcher_silent": mark("The dashboard's watcher is not running, so what you see is old."),
    "unknown": mark("What became of it is not known. Look at the VM before you try again."),
    # Why a schedule stopped, or did not do all that it should.
    "schedule_owner": mark(
        "Its owner's account is gone or switched off. Somebody else has to make it his: switch it on."
    ),
    "schedule_rights": mark("Its owner may no longer do this there. Give him the right again, then switch it on."),
    "schedule_vm_gone": mark("Its VM is deleted. Delete the schedule too."),
    "schedule_host_gone": mark("Its host is no longer in the dashboard. Delete the schedule, or choose another host."),
    "schedule_vms": mark("It reaches more than {most} VMs; the others were left out. Make several schedules."),
    "schedule_unseen": mark("It was taken, and its host does not list it. Look at the VM's snapshots."),
}

# What is wrong with a field of a host (vms.services.host_fields) or of a user (vms.services.users).
FIELDS: dict[str, str] = {
    "size": mark("An empty file, or one that is too large."),
    "no_room": mark("There is not so much room left in the pool."),
    "volume_name": mark("A letter or digit first, then letters, digits and . _ + -; 200 characters at most."),
    "volume_taken": mark("Something in this storage has this name already."),
    "volume_size": mark("A whole number of bytes, 1 MiB at least and 64 TiB at most."),
    "volume_smaller": mark("It is larger than that already. A volume only grows."),
    "volume_format": mark("This pool cannot hold that format."),
    "volume_pool": mark("Another pool of the same host, that is started and in which you may make volumes."),
    "vm_number": mark("With one # in it, which is replaced by the number of each."),
    "vm_count": mark("A whole number from 1 to 100."),
    "vm_taken": mark("There is a VM of this name on that host. Choose another name."),
    "vm_memory": mark("From 32 MiB to 16 TiB."),
    "vm_disks": mark("16 disks at most."),
    "vm_shared_disk": mark("Several VMs cannot have the same disk."),
    "vm_no_disk_image": mark("This image is none of a disk. Install from it instead."),
    "template_layered": mark(
        "The template's disk lies over an image, so that no whole copy is made of it. Choose a linked disk."
    ),
    "template_format": mark("A linked disk needs a pool of files on the template's host."),
    "template_host": mark("A VM is made of a template on the template's host."),
    "template_small": mark("The template has a larger disk. A disk can be larger than the template's, never smaller."),
    "template_more": mark("A VM of a template has the template's disks, and no others."),
    "vm_disk_small": mark("The image has a larger disk. A disk can be larger than its image, never smaller."),
    "size_gone": mark("There is no such size any more. Choose another one, or say how large it is to be."),
    "size_name": mark("1 to 40 signs, no line breaks or control characters, no blank at its ends; “own” is taken."),
    "size_taken": mark("There is a size of this name."),
    "size_vcpus": mark("From 1 to 512."),
    "size_disk": mark("From 1 GiB to 64 TiB."),
    "alert_severity": mark("“warning” or “critical”."),
    "alert_seconds": mark("From 0 seconds to a day."),
    "alert_no_seconds": mark("It happens in one moment: 0."),
    "alert_percent": mark("From 1 to 99 percent."),
    "alert_days": mark("From 1 to 365 days."),
    "alert_no_threshold": mark("It has none: 0."),
    "sink_name": mark("1 to 60 signs, no line breaks or control characters, no blank at its ends."),
    "sink_taken": mark("There is one of this name."),
    "sink_many": mark("There are as many as may be. Remove one first."),
    "sink_kind": mark("“webhook” or “mail”."),
    "sink_no_mail": mark("The site has no mail server: set KVMWEB_SMTP_URL first."),
    "sink_people": mark("One to ten addresses of mail, separated by commas."),
    "sink_url": mark("That is no address of the web, such as https://example.org/hook."),
    "sink_https": mark("It must be https, or be named in KVMWEB_OUTBOUND_ALLOW."),
    "schedule_name": mark("1 to 60 signs, no line breaks or control characters, no blank at its ends."),
    "schedule_taken": mark("You have a schedule of this name."),
    "schedule_many": mark("You have as many schedules as may be. Remove one first."),
    "schedule_of": mark("A VM, a tag or a host: one of them."),
    "schedule_no_vm": mark("There is no such VM."),
    "schedule_no_host": mark("There is no such host."),
    "schedule_reaches_none": mark("There is no VM of these on which you may set a schedule."),
    "schedule_minute": mark("From 0 to 59."),
    "schedule_minutes": mark("A time of the day, from 00:00 to 23:59."),
    "schedule_weekday": mark("A day of the week."),
    "schedule_day": mark("From 1 to 31."),
    "schedule_keep": mark("From 0 to 1000."),
    "schedule_keep_none": mark("Something must be kept: at least one of these numbers."),
    "alert_hours": mark("From 1 hour to a year."),
    "alert_scope": mark("It is about the dashboard itself: silence the kind."),
    "alert_silences": mark("There are as many silences as may be. End one first."),
    "vm_disk_packed": mark(
        "No VM writes to a disk of this format. Import it if it is a VMDK, else make a qcow2 of it with "
        "“qemu-img convert -O qcow2 OLD NEW”, and upload that."
    ),
    "archive_unread": mark("Nobody has had it read yet, or it was written since. Have it read first."),
    "vm_disk_used": mark("This disk is in use, or it is not ready. Choose another one."),
    "vm_hosts": mark("These are on different hosts. Choose what is on one."),
    "vm_no_host": mark("There is no host on which you may make VMs."),
    "vm_no_host_maintenance": mark("It is in maintenance and takes no new VMs now. Choose another host, or wait."),
    "vm_no_host_silent": mark("None of the hosts on which you may make VMs answers now."),
    "vm_no_pool": mark("No storage pool that you may use there is started."),
    "vm_pool_stopped": mark("This storage pool is stopped. Start it first, or choose another one."),
    "vm_no_image": mark("This image is in no started pool of a host on which you may make VMs. Copy it there first."),
    "vm_no_folder": mark("cloud-init's disc needs a storage pool that is a folder, and none there may be used."),
    "vm_no_arch": mark("The image is for other processors than your hosts have."),
    "vm_no_uefi": mark("This host has no UEFI firmware for VMs. Choose BIOS."),
    "shape_number": mark("A whole number that it takes."),
    "shape_text": mark("Letters that it takes, and no more than it takes."),
    "shape_flag": mark("Yes or no."),
    "shape_choice": mark("One of those that are offered."),
    "shape_over": mark("More than it has at most. Raise that too."),
    "shape_ends": mark("QEMU cannot start it again when it powers off and end it when it reboots. Choose one of both."),
    "shape_product": mark("Sockets x cores x threads must be as many processors as it has at most."),
    "shape_device": mark("The names of its disks and cards, with blanks between them."),
    "shape_twice": mark("There is one already."),
    "move_there": mark("It is there already."),
    "move_tunnel": mark("Only libvirts that speak with each other carry it: say that below."),
    "move_address": mark("Say where this host's libvirt reaches the other one."),
    "shape_limit": mark("QEMU needs memory beside the guest's: at least 256 MiB more than the VM has at most."),
    "shape_no_3d": mark("Its host has no graphics card that draws for VMs."),
    "shape_system": mark("No system is called so. Choose one of the list, or none."),
    "shape_folder": mark("A shared folder of the VM needs it. Take that out first."),
    "shape_fixed": mark("The machine needs it."),
    "vm_no_filter": mark(
        "This host lacks libvirt's filter clean-traffic, which each card needs. Define it there first."
    ),
    "vm_network_stopped": mark("This network is stopped. Start it first, or make the VM without starting it."),
    "clone_way": mark("This can't be done with one of these disks as it is now. Choose another way."),
    "clone_far": mark("On another host a disk can be copied or left out. A layer and a shared disk stay where it is."),
    "clone_layer": mark(
        "One of these disks is a layer over another, which is not on that host. Clone it to a pool of its own host."
    ),
    "clone_below": mark("What one of these disks lies over is not known here, so no copy of it would be whole."),
    "clone_runs_far": mark("It runs, and a running VM is cloned on its own host only. Shut it down first."),
    "clone_node": mark("No worker of the dashboard reaches both hosts, so nothing can be copied between them."),
    "clone_arch": mark("That host has other processors."),
    "clone_no_kvm": mark("That host has no hardware virtualization, and this VM is made for it."),
    "clone_machine": mark("That host's QEMU does not know this VM's type of machine. Choose a newer one."),
    "confirm_name": mark("Type the name of the VM: what is deleted for good does not come back."),
    "no_trash": mark("There is no trash for this VM. Delete it for good, or leave it."),
    "not_its_volumes": mark("One of these does not go with this VM. Look at the list again."),
    "layer_left": mark("One of these lies below another that is to stay. Let both go, or both stay."),
    "vm_name": mark("A letter or digit first, then letters, digits and . _ + -; 80 characters at most."),
    "vm_name_same": mark("It is called so already."),
    "vm_name_taken": mark("The host has a VM of this name."),
    "vm_name_saved": mark("libvirt renames no VM that has a saved state. Restore it, or discard that state."),
    "vm_name_snapshots": mark("libvirt renames no VM that has snapshots or checkpoints. Delete them first."),
    "snapshot_name": mark(
        "A letter or digit first, then letters, digits, spaces and . _ : + @ ( ) -; 80 characters at most, and not "
        "digits alone."
    ),
    "snapshot_taken": mark("The VM has a snapshot of this name."),
    "snapshot_description": mark("2,000 characters at most, and nothing that no text holds."),
    "missing": mark("This is needed."),
    "unknown": mark("There is no such field."),
    "text": mark("This is text."),
    "dump_room": mark("There is less free in it than the VM has memory. Choose another, or make room."),
    "choice": mark("Choose one of those that are offered."),
    "not_for": mark("A host that is reached this way has no such field."),
    "unknown_user": mark("There is no user of exactly this name."),
    "unknown_group": mark("There is no group of exactly this name."),
    "unknown_role": mark("There is no such role, or it gives nothing there."),
    "none_called": mark("Nothing of this kind is called exactly so."),
    "many_called": mark("Several VMs are called so. Give it on the page of the one that is meant, under Access."),
    "one_thing": mark("Name one thing: everything, a host, a VM, a tag, or a name."),
    "one_holder": mark("Name a user or a group."),
    "number": mark("A whole number from 0 on, and no larger than one can count."),
    "past": mark("This is over already."),
    "tag": mark("A tag has 1 to 50 signs, no comma and no line break, and no blank at its ends."),
    "many_tags": mark("A VM has 20 tags at most."),
    "name_long": mark("A name has 255 characters at most."),
    "name_signs": mark("A name has no line breaks and no control characters."),
    "boot_order_changed": mark("The order of devices is another for this start."),
    "definition_alike": mark("The host made of it what was there before."),
    "boot_order_back": mark("The old order of devices is back for the next start."),
    "boot_order_changed_still": mark("The old order of devices could not be put back yet."),
    "taken": mark("Another host has this name."),
    "local_once": mark("This machine is in the dashboard already."),
    "test_local": mark("The test driver stands behind a libvirt that runs: reach it by its socket."),
    "address": mark("A name like kvm2.example.org, or an IP address, and nothing else: no user, no port, no path."),
    "port": mark("A number from 1 to 65535."),
    "user": mark("A letter or _ first, then letters, digits, dots, - and _; 32 characters at most."),
    "socket": mark("A path from / on, of letters, digits, dots, -, + and _; 100 characters at most."),
    "certificate": mark("This is no certificate in PEM form (-----BEGIN CERTIFICATE-----)."),
    "is_key": mark("This holds a private key, which belongs into the field for it. It was not kept."),
    "key": mark("This is no private key in PEM form (-----BEGIN PRIVATE KEY-----)."),
    "key_locked": mark("This key has a passphrase. Take that off first: nobody is there to type it."),
    "key_other": mark("This key does not belong to the certificate."),
    "too_long": mark("This is more than 64 KiB."),
    "user_name": mark("A letter or digit first, then letters, digits and @ . + - _; 150 characters at most."),
    "user_taken": mark("Somebody has this name."),
    "mail": mark("This is no mail address."),
    "token_name": mark("A living token of yours has this name."),
    "label_long": mark("100 characters at most."),
    "days": mark("From 1 to 365 days."),
    "scope": mark("There is no such scope."),
    "scope_root": mark("This equals root on the hosts. Only an administrator's token can have it."),
    "ssh_line": mark("This is no public key as ssh keeps it: one line, like ssh-ed25519 AAAA…, without options."),
    "ssh_private": mark("This is a private key. It was not kept; take the line of the file that ends in .pub."),
    "ssh_short": mark("An RSA key has 2048 bits at least."),
    "ssh_taken": mark("You have this key here already."),
    "ssh_many": mark("50 keys are the most."),
    "ssh_name": mark("A name has 100 characters at most and no control characters."),
    "guest_user": mark("A small letter first, then small letters, digits, - and _; 32 characters at most."),
    "account_user": mark("A user of the guest: 64 characters at most, without : / \\ and not with - first."),
    "account_password": mark("1 to 200 characters, without line breaks."),
    "keys_many": mark("20 keys at a time are the most."),
    "fingerprint": mark("Fingerprints, as SHA256:…"),
    "freeze_seconds": mark("From 5 to 600 seconds."),
    "guest_name": mark("Letters, digits and hyphens, as in a host's name."),
    "guest_password": mark("8 to 200 characters, without line breaks."),
    "packages": mark("Names of packages, with blanks between; 200 at most."),
    "commands": mark("A command in each line, of 4096 characters at most; 200 at most."),
    "guest_address": mark("A machine's own address and the prefix, like 192.168.1.10/24."),
    "guest_address_first": mark("This goes with a fixed address: give it, or leave this empty."),
    "guest_address_many": mark("Several VMs cannot have the same address."),
    "no_card": mark("Without a network card there is nothing to give an address to."),
    "pool_name": mark("1 to 80 letters, digits and . _ + -, a letter or digit first."),
    "path": mark("An absolute path, without .. and without a slash at its end."),
    "system_path": mark(
        "This folder is the system's: whoever keeps disks there is root on the host. If it is meant, type it once more."
    ),
    "storage_same": mark("They are one storage already."),
    "storage_kind": mark("Pools of these two types cannot be one storage."),
    "device": mark("A device of the host: /dev/…"),
    "iqn": mark("A name of iSCSI, like iqn.2026-01.org.example:vms."),
    "volume_group": mark("The name of a volume group."),
    "account": mark("The name of an account, without blanks."),
    "monitors": mark("Names or addresses, each with or without :port, with blanks between."),
    "ceph_pool": mark("The name of a pool in Ceph."),
    "needs_user": mark("A secret belongs to a user: name him."),
    "needs_secret": mark("This user signs in with a secret."),
    "xml": mark("This is no XML that is taken."),
    "no_pool": mark("This is no definition of a pool: its outermost element is not <pool>."),
    "foreign": mark("Options of other name spaces are not taken: they may hold passwords."),
    "has_uuid": mark("Leave out <uuid>: with the UUID of another pool it would change that one."),
    "schema": mark("libvirt's schema does not know a pool like this."),
    "network_name": mark("1 to 80 letters, digits and . _ + -, a letter or digit first."),
    "card": mark("A network interface of the host, like br0 or eth0."),
    "subnet": mark("The host's own address and the prefix, like 192.168.50.1/24 or fd00:50::1/64."),
    "subnet_edge": mark("The first and the last address of a subnet belong to nobody: the host takes another one."),
    "subnet_kind": mark("Such an address is no machine's."),
    "ip_address": mark("An IP address."),
    "domain_name": mark("A name of small letters, digits and hyphens, with dots between its parts."),
    "dns_hosts": mark("Each line: an address, and the names that it has. No address twice."),
    "speed": mark("KiB a second: a whole number from 1."),
    "vlans": mark("Each line: a name, and the VLANs from 1 to 4094 that it has."),
    "not_here": mark("A network of this kind has no such thing."),
    "out_of_subnet": mark("This address is not in the network's subnet."),
    "range_order": mark("The last address comes before the first."),
    "range_own": mark("The host itself has an address among these."),
    "mac": mark("A MAC address, like 52:54:00:12:34:56."),
    "lease_mac": mark("This MAC has a fixed address already."),
    "lease_duid": mark("This DUID has a fixed address already."),
    "lease_address": mark("This address is fixed for another already."),
    "lease_name": mark("Another fixed address has this name."),
    "lease_ipv6": mark("IPv6 knows guests by a DUID, not by a MAC. Leave this empty."),
    "duid": mark("A DUID, like 00:03:00:01:52:54:00:12:34:56."),
    "no_filter": mark("This is no definition of a filter: its outermost element is not <filter>."),
    "filter_schema": mark("libvirt's schema does not know a filter like this."),
    "filter_name": mark("A filter's name has 1 to 80 letters, digits and . _ -, a letter or digit first."),
    "secret_value": mark("1 byte to 64 KiB."),
    "group_name": mark("1 to 150 signs, no line breaks or control characters, and no blank at its ends."),
    "web_address": mark("An address that begins with http:// or https://, without a user or password in it."),
    "checksum": mark("A SHA-256 or SHA-512 in hexadecimal digits: 64 or 128 of them."),
    "group_taken": mark("There is a group of this name."),
    "offer_name": mark("1 to 100 signs, no line breaks or control characters, and no blank at its ends."),
    "offer_taken": mark("Something else is offered on this host by this name."),
    "offer_host": mark("There is no such host."),
    "device_gone": mark("The host has no such device now."),
    "device_offered": mark("This device is offered already."),
    "device_kind": mark("This sort of device cannot be given to a VM."),
    "whole_path": mark("A path from / on, without “..” and without a slash at its end; 1024 characters at most."),
    "dangerous_path": mark(
        "Who has this folder has the host, or what the host keeps for itself. Type it again below if that is meant."
    ),
}

# Why a disk image is refused (vms.headers).
IMAGES: dict[str, str] = {
    "other_format": mark("its beginning is that of another format than the one it has here"),
    "unknown_format": mark("it is of a format that is not served"),
    "cut_off": mark("its beginning is missing"),
    "bad_header": mark("its header contradicts itself or the image's size"),
    "unknown_feature": mark("its header asks for something that is not known here"),
    "backing_file": mark("it is a layer over another file, which it names itself"),
    "data_file": mark("it keeps its data in another file, which it names itself"),
    "extents": mark("it is put together from other files, which it names itself"),
    "parent": mark("it holds only the differences from another image"),
    "encrypted": mark("it is encrypted"),
    "snapshots": mark("it has snapshots inside"),
    "corrupt": mark("it is marked as corrupt"),
    "log": mark("its log was not written back"),
    "unreadable": mark("its host cannot read it"),
    "folder": mark("it is a folder"),
    "device": mark("it is a device of the host, or a link to one"),
}

# What a volume is that is not ready (vms.models.Volume.State).
VOLUMES: dict[str, str] = {
    "ready": mark("ready"),
    "incomplete": mark("it is being made"),
    "quarantine": mark("its beginning was not looked at yet"),
    "refused": mark("its image is refused"),
    "gone": mark("its pool shows it no more"),
}

# Why something stays when its VM is deleted (vms.services.belongings).
STAYS: dict[str, str] = {
    "image": mark("is an image that others may install from"),
    "shared": mark("is attached read-only, or to be shared"),
    "used": mark("is used by {users} too"),
    "backs": mark("lies below {users}"),
    "below": mark("lies below one of its disks, and may be needed by others"),
    "media": mark("was only put in, or shared with it"),
    "nvram": mark("holds firmware variables that another VM names too"),
    "outside": mark("is in no pool, so the dashboard does not touch it"),
    "not_ready": mark("is being made, or is no disk"),
    "pool_off": mark("is in a pool that is stopped; start that first"),
    "silent": mark("is in a storage that a silent host has too, which cannot be asked whether it needs it"),
}

HAPPENINGS: dict[str, str] = {
    "state": mark("is {state}"),
    "appeared": mark("appeared"),
    "gone": mark("was removed outside the dashboard"),
    "left": mark("went to another host"),
    "renamed": mark("was renamed from {was}"),
    "rebooted": mark("rebooted"),
    "panicked": mark("panicked: its guest's kernel gave up"),
    "crash_loaded": mark("panicked: its guest's kernel gave up and writes a dump now"),
    "watchdog_fired": mark("was not heard by its watchdog ({action})"),
    "disk_failed": mark("could not use its disk {disk} ({why}, {action})"),
    "thawed": mark("its file systems were thawed: their time was over"),
    "host_silent": mark("stopped answering"),
    "host_heard": mark("answers again"),
    "host_returned": mark("is back in the dashboard, with all that was known of it"),
    "clock": mark("changed its clock"),
}

# Why a state is what it is, where nobody asked for it; by libvirt's words.
STATE_REASONS: dict[str, str] = {
    "crashed": mark("its QEMU ended by itself, or its guest broke"),
    "panicked": mark("its guest's kernel gave up"),
    "ioerror": mark("a disk could not be written to or read"),
    "watchdog": mark("its watchdog heard nothing from the guest"),
    "daemon": mark("its host's libvirt stopped it"),
    "failed": mark("it could not be started"),
}

# What was done about something that went wrong, and why a disk failed; by libvirt's words.
ACTIONS: dict[str, str] = {
    "": mark("nothing was done"),
    "none": mark("nothing was done"),
    "report": mark("its guest was told"),
    "pause": mark("it was paused"),
    "reset": mark("it was reset"),
    "poweroff": mark("it was switched off"),
    "shutdown": mark("it was asked to shut down"),
    "debug": mark("nothing was done"),
    "injectnmi": mark("its processors were interrupted"),
}
DISK_REASONS: dict[str, str] = {
    "enospc": mark("no room is left where it lies"),
    "eio": mark("its storage gives an error"),
    "eperm": mark("its host may not use it"),
    "": mark("its host does not say why"),
}

# What somebody should know before a VM is made.
WARNINGS: dict[str, str] = {
    "no_kvm": mark(
        "This host has no hardware virtualization, so the processor is emulated: about ten times slower, and a "
        "system that boots in half a minute elsewhere takes five."
    ),
    "uuid_replaced": mark("It gets a UUID of its own in the place of the one that is written there."),
    "mac_taken": mark("The MAC address {mac} is in use by {users}. In one network they would get in each other's way."),
    "source_used": mark("{source} is in use by {users}. Two systems that write on one disk destroy it."),
    "little_memory": mark("Its system asks for {least} MiB of memory at least."),
    "host_memory": mark("Of the host's memory {free} MiB are free. Running VMs that need all of theirs may not fit."),
    "little_disk": mark("Its system asks for a disk of {least} GiB at least."),
    "template_same": mark(
        "Without answers for its first boot it has the template's accounts, SSH host keys and machine-id."
    ),
    "no_key": mark("A cloud image has no password, and no key is given here, so nobody will be able to log in."),
    "pool_room": mark("The pool {pool} has {free} GiB left, less than its disk can become."),
    "network_stopped": mark("The network {network} is stopped, so it gets no card. Start that first."),
    "no_filter": mark("This host lacks libvirt's filter clean-traffic, so it gets no network card."),
    "no_network": mark("It has no network card."),
    "no_boot": mark("It has nothing to start from."),
    "seed_unread": mark("Only a system that is ready to run reads these answers: what installs one reads none."),
    "image_brought": mark("{image} is not on {host} yet: it is brought there first, which takes a while."),
    "empty_disk": mark("Its disk is empty, and there is nothing to install from."),
    "not_secure": mark("Its system asks for secure boot, and may refuse to install without it."),
    "no_tpm": mark("Its system asks for a TPM, and may refuse to install without it."),
    "clone_then": mark(
        "“{name}” holds the disks of a VM that ran: the new one starts as after a power cut. What was only in memory "
        "is not there."
    ),
    "clone_memory": mark("The memory that “{name}” holds does not come along: the new VM starts from its disks."),
    "clone_runs": mark(
        "{name} runs: its disks are copied as they are in one moment, all of them in the same, so the clone starts as "
        "after a power cut. Shut it down first where that is not enough."
    ),
    "clone_saved": mark(
        "What {name} had in memory when it was saved is not cloned: the clone starts as after a power cut."
    ),
    "clone_frozen": mark(
        "{name} can't be started as long as a linked clone lies over its disk. Delete the clone to start it again."
    ),
    "clone_same": mark(
        "Inside, the clone takes itself for {name}: it has the same host name, fixed addresses, keys and machine ID."
    ),
    "clone_left": mark("Left out, since they can't be copied by you or from where they are: {disks}."),
    "clone_card": mark("Network cards that the clone does not get: {cards}."),
    "clone_variables": mark(
        "Its UEFI variables begin anew: a system that starts only by an entry in them has to be chosen by hand once."
    ),
    "clone_tpm": mark("Its TPM is new and empty: what is sealed to the old one needs its recovery key."),
    "drivers": mark(
        "Its setup has no driver for its disk: choose “Load driver” there and look on the second CD, {image}, for the "
        "disk (viostor) and the network card (NetKVM)."
    ),
    "no_drivers": mark(
        "Without the drivers on the virtio-win CD it gets a disk on SATA and an Intel network card, which it knows."
    ),
}

# Why a disk is not copied.
CLONE_REASONS: dict[str, str] = {
    "outside": mark("It is in no storage pool, so nothing here copies it."),
    "not_kept": mark("The snapshot does not hold it."),
    "not_yours": mark("You may not copy it: a VM that uses it is not yours."),
    "volume_runs": mark("Another VM that runs uses it."),
    "volume_not_ready": mark("It is not ready."),
    "volume_strayed": mark("Its guest has written another format's beginning over it."),
    "volume_found": mark("It was not made here, and no administrator has vouched for it."),
    "volume_swapped": mark("It is no longer the file that it was."),
}

# Why the state of a disk in a snapshot cannot be read (vms.archives.layers).
LAYER_REASONS: dict[str, str] = {
    "bad_disk": mark("its tables contradict themselves"),
    "cut_off": mark("its file ends too early"),
    "packed": mark("a part of it is packed in a way that is not read here"),
    "no_snapshot": mark("its file does not know the snapshot"),
    "below": mark("what it is a layer over is not known here"),
}

# Why a VM is made on that host.
PLACES: dict[str, str] = {
    "chosen": mark("{host}, as chosen."),
    "template": mark("{host}: the template is there."),
    "only": mark("{host}: the only host on which you may make VMs."),
    "image": mark("{host}: the image is there, and it has the most free memory of those that have it."),
    "memory": mark("{host}: it has the most free memory of {of} hosts."),
}

LOG: dict[str, str] = {
    "step_done": mark("Done: {step}."),
    "step_left": mark("Could not take back: {step}. The host said: {why}"),
    "undone": mark("What had been made of it was taken away."),
    "removed": mark("What had come was taken away."),
    "volume_made": mark("Made the volume “{name}”."),
    "image_arrives": mark("The image is brought to this host, as “{name}”."),
    "copies_awaited": mark("The VM is just being copied for another clone."),
    "image_awaited": mark("Another operation is bringing the image to this host."),
    "volume_zeroed": mark("Wrote zeros over “{name}”: its pool gives what another may have left."),
    "volume_read": mark("Looked at the beginning of “{name}”: it stands by itself."),
    "sum_agrees": mark("“{name}” is what its checksum says."),
    "disk_taken_out": mark("Took the disk “{name}” out."),
    "volume_taken_away": mark("Took “{name}” away again."),
    "claimed": mark("A worker has taken it on."),
    "asked": mark("The host has been asked."),
    "delivered": mark("The request was delivered. The VM decides."),
    "waits": mark("{host} is not answering. It is done when it does."),
    "seen": mark("The effect has been seen."),
    "taken": mark("The host has done it. Nothing more can be seen from outside."),
    "ending": mark("The host has been asked to end it."),
    "aborted": mark("The host has ended it. The VM is as it was."),
    "waiting": mark("Waiting for the VM."),
    "network_started": mark("Started the network “{network}”."),
    "pool_made": mark("Made the storage pool “{pool}”."),
    "pool_started": mark("Started the storage pool “{pool}”."),
    "secret_kept": mark("libvirt on the host keeps the secret for “{name}” from now on."),
    "network_waits": mark("A part of it applies when the network is restarted."),
    "volumes_deleted": mark("Deleted what was in it: {number} volumes."),
    "autostart": mark("“{name}” starts with the host from now on."),
    "compared": mark("It has what was told, by its host's own word."),
    "off": mark("Forced it off."),
    "marked": mark("It is in the trash."),
    "template_compared": mark("Its disks are those that were told, by its host's own word."),
    "template_marked": mark("From now on nobody writes to its disks."),
    "template_read_only": mark("Its host gives it its disks to read only."),
    "template_read": mark("Read “{name}”, SHA-256 {sha256}."),
    "template_checked": mark("Read “{name}” once more: it is the same."),
    "template_back": mark("It is a VM as it was."),
    "forgotten": mark("Its host has forgotten it."),
    "volume_deleted": mark("Deleted the volume “{name}”."),
    "seed_ejected": mark("Ejected the first boot's disc."),
    "frozen": mark("The guest has frozen {number} file systems, for {seconds} seconds at most."),
    "thawed": mark("The guest has thawed {number} file systems."),
    "thawed_late": mark("The time was over: the guest was asked to thaw them."),
    "keys_added": mark("Gave “{user}” {number} keys."),
    "keys_removed": mark("Took {number} keys from “{user}”."),
    "shaped_next": mark("Its next start has it."),
    "snapshot_taken": mark("Snapshot {name} is taken."),
    "snapshot_deleted": mark("Snapshot {name} is gone."),
    "flatten_begun": mark("The VM writes what lies under its disk {disk} into it."),
    "plan_done": mark("All of the plan is done."),
    "plan_stopped": mark("Nothing more of the plan is begun; what was under way has ended."),
    "dumped": mark("Its memory is in “{name}”."),
    "ends_late": mark("No host ends a dump in the middle: it is taken away as soon as it is written."),
    "move_copies": mark("The VM writes its disk to {name} as well, until both are the same."),
    "move_over": mark("The VM has {name} now."),
    "migrates": mark("Moving to {host}: {way}."),
    "starts_with_none": mark("Until it is certain where it is, no host starts it by itself."),
    "migrate_postcopy": mark("It runs on {host} while the rest of its memory comes; this cannot be ended any more."),
    "migrate_paused": mark("The time was over: the VM stands still until it is there."),
    "migrate_late": mark("The time was over: moving is ended, the VM runs on where it is."),
    "migrated": mark("It is on {host} now."),
    "resumed_here": mark("{host} does not have it: it runs on where it was."),
    "volume_kept": mark("The volume “{name}” stays where it was, attached to nothing."),
    "shaped_now": mark("It has it now."),
    "shaped_not_now": mark("Its next start has it; its host did not do it now."),
    "cd_ejected": mark("Ejected the CD in {drive}, in this run."),
    "seed_deleted": mark("Deleted “{name}”."),
    "volume_left": mark("Left the volume “{name}” alone: something needs it by now."),
    "belongings_differ": mark("This is another than was told: {what}."),
    "autostart_back": mark("It starts with its host again."),
    "failed": mark("It failed."),
    "reconciled": mark("The worker was lost; its work was found on the host."),
}

STATES: dict[str, str] = {
    "running": mark("running"),
    "paused": mark("paused"),
    "shutting_down": mark("shutting down"),
    "shut_off": mark("shut off"),
    "crashed": mark("crashed"),
    "pmsuspended": mark("sleeping"),
    "saved": mark("saved"),
    "unknown": mark("unknown"),
    "gone": mark("gone"),
    "new": mark("being made"),
    "trashed": mark("in the trash"),
    "template": mark("a template"),
}

OPERATION_STATES: dict[str, str] = {
    "queued": mark("queued"),
    "running": mark("running"),
    "waiting": mark("waiting"),
    "cancelling": mark("cancelling"),
    "succeeded": mark("done"),
    "failed": mark("failed"),
    "cancelled": mark("cancelled"),
    "superseded": mark("replaced by another"),
    "refused": mark("refused"),
    "unknown": mark("outcome unknown"),
}

# While an operation runs on a VM, its row says what is going on.
GOING_ON: dict[str, str] = {
    "volume.upload": mark("receiving a file"),
    "volume.create": mark("making a volume"),
    "volume.grow": mark("growing"),
    "volume.clone": mark("cloning"),
    "volume.wipe": mark("wiping"),
    "volume.delete": mark("deleting"),
    "vm.create": mark("creating"),
    "vm.import": mark("importing"),
    "archive.read": mark("reading what is in it"),
    "vm.clone": mark("being made as a clone"),
    "vm.define-new": mark("defining"),
    "vm.start": mark("starting"),
    "vm.boot-cd": mark("starting from its CD"),
    "vm.boot-network": mark("starting from the network"),
    "vm.start-with-networks": mark("starting"),
    "vm.restore": mark("restoring"),
    "vm.start-paused": mark("starting"),
    "vm.resume": mark("resuming"),
    "vm.pause": mark("pausing"),
    "vm.save": mark("saving"),
    "vm.reboot": mark("rebooting"),
    "vm.shutdown": mark("shutting down"),
    "vm.restart": mark("shutting down, to start anew"),
    "vm.edit-xml": mark("changing its definition"),
    "vm.return": mark("returning to an earlier definition"),
    "vm.nmi": mark("sending an NMI"),
    "vm.send-key": mark("sending keys"),
    "vm.autostart": mark("setting its autostart"),
    "vm.discard-saved": mark("discarding the saved state"),
    "vm.reset": mark("resetting"),
    "vm.force-off": mark("forcing off"),
    "vm.add-screen": mark("adding a screen"),
    "vm.listen-locally": mark("changing where its screen listens"),
    "vm.listen-on-network": mark("changing where its screen listens"),
    "vm.add-serial": mark("adding a serial console"),
    "vm.trash": mark("moving to the trash"),
    "vm.drop-seed": mark("taking the first boot's disc away"),
    "vm.cloud-init": mark("getting a new disc for cloud-init"),
    "vm.template": mark("becoming a template"),
    "vm.untemplate": mark("becoming a VM again"),
    "vm.put-back": mark("being put back"),
    "vm.delete": mark("being deleted"),
    "vm.rename": mark("being renamed"),
    "vm.eject": mark("ejecting its CD"),
    "vm.shape": mark("being changed"),
    "vm.agent-freeze": mark("freezing its file systems"),
    "vm.agent-thaw": mark("thawing its file systems"),
    "vm.agent-time": mark("setting its clock"),
    "vm.agent-password": mark("setting a password in it"),
    "vm.agent-keys": mark("asking for SSH keys in it"),
    "host.evacuate": mark("being emptied"),
    "host.bring-back": mark("getting its VMs back"),
    "host.plan": mark("being planned for"),
    "host.run-plan": mark("having VMs moved by a plan"),
    "vm.dump": mark("having its memory dumped"),
    "vm.move-disk": mark("having a disk moved"),
    "vm.snapshot": mark("being kept in a snapshot"),
    "vm.revert-snapshot": mark("going back to a snapshot"),
    "vm.delete-snapshot": mark("having a snapshot deleted"),
    "vm.rename-snapshot": mark("having a snapshot renamed"),
    "vm.flatten": mark("having its disks flattened"),
    "vm.migrate": mark("moving to another host"),
    "vm.add-disk": mark("being given a new disk"),
    "image.fetch": mark("fetching an image"),
    "image.copy": mark("copying an image"),
    "image.check": mark("reading it"),
    "host.get-ready": mark("getting ready"),
    "host.test": mark("trying the connection"),
    "pool.define": mark("adding a storage pool"),
    "pool.discover": mark("looking for storage"),
    "pool.start": mark("starting"),
    "pool.stop": mark("stopping"),
    "pool.refresh": mark("looking through it"),
    "pool.autostart": mark("setting its autostart"),
    "pool.delete": mark("deleting"),
    "network.define": mark("adding a network"),
    "network.edit": mark("changing"),
    "network.start": mark("starting"),
    "network.stop": mark("stopping"),
    "network.restart": mark("restarting"),
    "network.autostart": mark("setting its autostart"),
    "network.delete": mark("deleting"),
    "network.add-lease": mark("fixing an address"),
    "network.remove-lease": mark("letting an address go"),
    "filter.define": mark("setting a network filter"),
    "filter.delete": mark("deleting a network filter"),
    "secret.set": mark("setting a secret"),
    "secret.delete": mark("deleting a secret"),
}


# What somebody did; follows his name. The kinds of operations have their own words.
AUDIT: dict[str, str] = {
    "asked:console": mark("asked for a console"),
    "opened:console": mark("opened a console"),
    "closed:console": mark("closed a console"),
    "refused:console": mark("was refused a console"),
    "dismissed:console": mark("closed somebody's console"),
    "took:console": mark("took over the typing"),
    "downloaded:volume": mark("downloaded"),
    "opened:session": mark("signed in"),
    "closed:session": mark("signed out"),
    "confirmed:session": mark("gave the password once more"),
    "ended:session": mark("ended a session"),
    "expired:session": mark("was signed out by a time limit"),
    "failed:sign-in": mark("failed to sign in"),
    "failed:code": mark("gave a wrong code at the second step"),
    "failed:token": mark("sent a token that is not good"),
    "failed:ticket": mark("sent a console ticket that nobody was given"),
    "created:token": mark("created a token"),
    "revoked:token": mark("revoked a token"),
    "added:host": mark("added the host"),
    "edited:host": mark("edited the host"),
    "removed:host": mark("removed the host"),
    "changed:move-route": mark("changed how VMs move from the host"),
    "left-alone:host": mark("left the host alone"),
    "entered:maintenance": mark("put the host into maintenance"),
    "left:maintenance": mark("took the host out of maintenance"),
    "let-stay:maintenance": mark("let its VMs stay where they were moved"),
    "paused:plan": mark("paused a plan of the host"),
    "continued:plan": mark("let a plan of the host go on"),
    "taken-up:host": mark("took the host up again"),
    "made:host-key": mark("made a new key for the host"),
    "accepted:host-key": mark("accepted the host's key"),
    "refused:host-key": mark("refused the host's key"),
    "accepted:machine": mark("accepted another machine as the host"),
    "made:administrator": mark("made the administrator"),
    "renewed:password": mark("made a new password"),
    "changed:password": mark("changed the password"),
    "kept:password": mark("kept the generated password"),
    "added:user": mark("added the user"),
    "invited:user": mark("made a link to set the password for"),
    "accepted:invitation": mark("set the password by a link"),
    "disabled:user": mark("switched off the account of"),
    "enabled:user": mark("switched on the account of"),
    "promoted:user": mark("made an administrator of"),
    "demoted:user": mark("took away the rights of an administrator from"),
    "signed-out:user": mark("signed out"),
    "gave:grant": mark("gave a right"),
    "took:grant": mark("took a right away"),
    "protected:vm": mark("protected"),
    "unprotected:vm": mark("lifted the protection of"),
    "kept:cd": mark("left the CD in the drive of"),
    "tagged:vm": mark("changed the tags"),
    "activated:factor": mark("set up the second step of signing in"),
    "deactivated:factor": mark("switched the second step of signing in off"),
    "reset:factor": mark("took away the second step of signing in from"),
    "made:recovery-codes": mark("made recovery codes"),
    "used:recovery-code": mark("used a recovery code"),
    "added:ssh-key": mark("added an SSH key"),
    "removed:ssh-key": mark("removed an SSH key"),
    "chose:time-zone": mark("chose a time zone"),
    "added:schedule": mark("set a schedule"),
    "changed:schedule": mark("changed a schedule"),
    "switched-on:schedule": mark("switched on a schedule"),
    "switched-off:schedule": mark("switched off a schedule"),
    "ran:schedule": mark("had a schedule run at once"),
    "removed:schedule": mark("removed a schedule"),
    "stopped:schedule": mark("a schedule stopped"),
    "added:size": mark("added the size"),
    "changed:size": mark("changed the size"),
    "removed:size": mark("removed the size"),
    "added:alert-sink": mark("lets alerts be told to"),
    "changed:alert-sink": mark("changed where alerts are told"),
    "removed:alert-sink": mark("lets alerts no more be told to"),
    "tested:alert-sink": mark("tried whether alerts arrive at"),
    "changed:alert-rule": mark("changed a rule of alerts"),
    "acknowledged:alert": mark("acknowledged an alert of"),
    "silenced:alert": mark("silenced alerts"),
    "unsilenced:alert": mark("ended a silence of alerts"),
    "added:group": mark("added the group"),
    "renamed:group": mark("renamed the group"),
    "removed:group": mark("removed the group"),
    "joined:group": mark("put somebody into the group"),
    "left:group": mark("took somebody out of the group"),
    "pruned:audit": mark("took old rows out of the audit"),
    "renewed:audit-key": mark("renewed the key of the audit"),
    "renewed:sealing-key": mark("renewed the key of the secrets"),
    "looked_again:volume": mark("looked again at the beginning of"),
    "vouched:volume": mark("vouched for"),
    "trusted:pool": mark("said that what is found is trusted in"),
    "distrusted:pool": mark("said that what is found is no longer trusted in"),
    "changed:quota": mark("changed the quota of"),
    "left-alone:advice": mark("let advice be given no more on"),
    "took-back:advice": mark("let advice be given again on"),
    "offered:image": mark("offered an image to others"),
    "took-back:image": mark("took back the offer of an image"),
    "offered:template": mark("offered to others the template"),
    "took-back:template": mark("took back the offer of the template"),
    "added:offer": mark("offered to VMs something of"),
    "withdrew:offer": mark("no longer offers to VMs something of"),
    "joined:pool": mark("said that another pool is the same storage as"),
    "separated:pool": mark("said that no other pool is the same storage as"),
}
AUDIT_VERBS: dict[str, str] = {
    "asked": mark("asked for “{title}”"),
    "cancelled": mark("cancelled “{title}”"),
    "ended": mark("had “{title}” end"),
    "read": mark("marked the failure of “{title}” as read"),
}


# Resources of quotas, in whole ones, and in GiB with how much of the resource's own unit that is.
COUNTED: dict[str, tuple[str, str]] = {
    "vms": (mark("{n} VM"), mark("{n} VMs")),
    "vcpus": (mark("{n} processor"), mark("{n} processors")),
    "snapshots": (mark("{n} snapshot"), mark("{n} snapshots")),
}
BIG: dict[str, tuple[str, int]] = {
    "memory_kib": (mark("{n} GiB of memory"), 1 << 20),
    "disk_bytes": (mark("{n} GiB of disks"), 1 << 30),
}


# Why something is no image that can be kept.
IMAGE_REASONS: dict[str, str] = {
    "length": mark("the server does not say how long it is"),
    "packed": mark("it is packed; give the address of one that is not"),
    "changed": mark("it became another on the server while it was fetched"),
    "checksum": mark("its project's file of checksums does not name it"),
    "no_disk": mark("it is neither a disk that starts nor an ISO"),
    "gone": mark("no copy of it can be read from here"),
    "format": mark("this pool keeps raw disks only"),
}

# Why a disk is not moved.
MOVES: dict[str, str] = {
    "saved": mark("its VM has a saved state; start it, or discard that"),
    "snapshots": mark("its VM has snapshots or checkpoints, which stay where it was; delete these first"),
    "no_disk": mark("it is a drive"),
    "outside": mark("it is in no storage pool that is known here"),
    "shared": mark("another VM uses it, it lies below another, or it is read-only or shareable"),
    "not_served": mark("it is none that is copied; its volume's page says why"),
}

# Why a VM cannot become a template.
MIGRATIONS: dict[str, str] = {
    "here": mark("it is there already"),
    "driver": mark("only VMs of QEMU move, between hosts of QEMU"),
    "clear_copy": mark(
        "disks are copied only under TLS, where nobody on the way reads them; see How VMs move, in its host's menu"
    ),
    "postcopy_copy": mark("what is copied with its disks cannot run there before all of it has come"),
    "layered": mark("a disk lies over another one; it is copied only while the VM runs"),
    "shared_disk": mark("a disk that is to be copied is used by another VM, or lies below another disk"),
    "no_disk": mark("a disk is in a pool that the host does not reach; let it be copied, or share the pool"),
    "taken": mark("the host has a VM of that name or UUID"),
}
MIGRATION_WAYS: dict[str, str] = {
    "tls": mark("under TLS"),
    "clear": mark("in clear text"),
    "tunnel": mark("through the connection of the two libvirts"),
}
TEMPLATE_REASONS: dict[str, str] = {
    "saved": mark("it has a saved state; start it, or discard that"),
    "no_disk": mark("it has no disk"),
    "snapshots": mark("it has snapshots or checkpoints; delete these first"),
    "outside": mark("a disk of it, or what lies below that, is in no storage pool"),
    "shared": mark("a disk of it is used by another VM, is below another, or is read-only"),
    "not_served": mark("a disk of it is none that is copied; its page says why"),
    "disks": mark("its disks are no longer those that you were told"),
    "alias": mark("another host has the same VM"),
}

# Why something that somebody wrote for cloud-init can't be read.
SEED_REASONS: dict[str, str] = {
    "too_long": mark("it has more than 64 KiB"),
    "beginning": mark("the first line says nothing that cloud-init knows; most begin with #cloud-config"),
    "yaml": mark("this is no YAML"),
    "deep": mark("it is nested too deeply"),
    "mapping": mark("it is no list of keys with values"),
    "version": mark("it has no “version: 2”, or 1"),
}

# Why a packed VM is not taken in (vms.archives).
ARCHIVE_REASONS: dict[str, str] = {
    "bad_archive": mark("it is no archive as OVA files are"),
    "member": mark("it holds something else than plain files beside each other"),
    "twice": mark("a file of it comes twice"),
    "many": mark("it holds more files than any VM has"),
    "cut_off": mark("its end is missing"),
    "bad_disk": mark("a disk in it contradicts itself"),
    "order": mark("a disk in it is written in no order; export it once more"),
    "packed": mark("a disk in it unpacks to more than it says"),
    "bad_ovf": mark("what describes the VM in it can't be read"),
    "no_ovf": mark("nothing in it describes a VM"),
    "several": mark("it holds several VMs; export them one by one"),
    "elsewhere": mark("its description names files that are not in it"),
    "disk_kind": mark(
        "a disk in it is of a kind that is not taken in: take it out, make a qcow2 of it with "
        "“qemu-img convert -O qcow2 OLD NEW”, and upload that"
    ),
    "other_disk": mark(
        "VDI, VHDX and VHD disks are not converted here: make a qcow2 of it with “qemu-img convert -O qcow2 OLD NEW”, "
        "and upload that"
    ),
    "checksum": mark("a file in it is not what its list of checksums says"),
    "no_archive": mark("it is neither an archive with a VM in it nor a disk that has to be converted"),
    "sums": mark("its list of checksums can't be read"),
    "size": mark("a file or a disk in it is larger than its description says"),
    "changed": mark("it is by now another than was read; read it once more"),
}


class Readable(dict[str, Any]):
    """Parameters as people read them; a missing one shows as an ellipsis, because a sentence must never fail."""

    def __missing__(self, key: str) -> str:
        return "…"


def readable(params: Parameters) -> Readable:
    """The parameters with states, ages and titles in words."""
    words = Readable(params)
    for key in ("state", "was"):
        if str(params.get(key)) in STATES:
            words[key] = gettext(STATES[str(params[key])])
    if "seconds" in params:
        words["age"] = duration(int(params["seconds"]))
    if "resource" in params:
        words.update({key: amount(params["resource"], int(params[key])) for key in ("limit", "used", "asked")})
    if str(params.get("reason")) in IMAGES:
        words["reason"] = gettext(IMAGES[str(params["reason"])])
    if str(params.get("why")) in VOLUMES:
        words["why"] = gettext(VOLUMES[str(params["why"])])
    if "by" in params:
        words["user"] = str(params["by"]) or gettext("a VM that you do not see")
        words["users"] = users(str(params["by"]), int(params.get("others", 0)))
    if params.get("host") == "":
        words["host"] = gettext("its host")
    if "obstacle" in params:
        told = {"vm": str(params.get("name", "")), "host": str(params.get("host", ""))}
        words["why"] = move_reason(str(params["obstacle"]), params, **told).removesuffix(".")
        words["host"] = told["host"] or gettext("the other host")
    if str(params.get("reason")) in IMAGE_REASONS:
        words["reason"] = gettext(IMAGE_REASONS[str(params["reason"])])
    if str(params.get("reason")) in TEMPLATE_REASONS:
        words["reason"] = gettext(TEMPLATE_REASONS[str(params["reason"])])
    if str(params.get("cause")) in MOVES:
        words["cause"] = gettext(MOVES[str(params["cause"])])
    if "because" in params:
        words["because"] = reason_words(str(params["because"]), params)
    if str(params.get("cause")) in MIGRATIONS and "host" in params:
        words["cause"] = gettext(MIGRATIONS[str(params["cause"])])
    if str(params.get("way")) in MIGRATION_WAYS:
        words["way"] = gettext(MIGRATION_WAYS[str(params["way"])])
    if str(params.get("reason")) in SEED_REASONS:
        words["reason"] = gettext(SEED_REASONS[str(params["reason"])])
    if "line" in params:
        words["line"] = gettext(" (line {line})").format(line=params["line"]) if params["line"] != "0" else ""
    if str(params.get("reason")) in ARCHIVE_REASONS:
        words["reason"] = gettext(ARCHIVE_REASONS[str(params["reason"])])
    if "unreadable" in params:
        words["unreadable"] = gettext(LAYER_REASONS[str(params["unreadable"])])
    if "title" in params:
        words["title"] = gettext(str(params["title"]))
    return words


def move_reason(code: str, params: Parameters, *, vm: str, host: str, here: str = "") -> str:
    """Why a VM can't move to a host, or what is to be known before. host, here: "" for who may not see that."""
    told = {**params, "state": state_word(str(params.get("state", "")))}
    return placement_words.reason_text(code, told, vm=vm, host=host, here=here)


def users(names: str, others: int) -> str:
    """Those that may be told, and how many more there are."""
    more = ngettext("{n} that you do not see", "{n} that you do not see", others).format(n=others) if others else ""
    return ", ".join(filter(None, [names, more]))


def fill(text: str, params: Parameters) -> str:
    filled = gettext(text).format_map(readable(params))
    return filled[:1].upper() + filled[1:] if params.get("host") == "" else filled


def sentence(code: str, params: Parameters | None = None) -> str:
    """What an error code means to the reader."""
    return fill(ERRORS.get(code, ERRORS["error"]), params or {})


def amount(resource: str, number: int) -> str:
    """So much of a quota's resource: "4 VMs", "8 GiB of memory"."""
    if resource in BIG:
        words, unit = BIG[resource]
        return gettext(words).format(n=f"{round(number / unit, 1):g}")
    one, many = COUNTED[resource]
    return ngettext(one, many, number).format(n=number)


def scope_words(name: str) -> str:
    """What a token with that scope may be used for, in words."""
    if name in BUNDLES:
        return f"{name}: {gettext(BUNDLES[name])}"
    return gettext(PRIVILEGES[name].means) if name in PRIVILEGES else name


def field_sentence(code: str) -> str:
    """What is wrong with a field."""
    return gettext(FIELDS.get(code, ERRORS["error"]))


def stays(why: str, params: Parameters) -> str:
    """Why something stays when its VM is deleted; follows its name."""
    return fill(STAYS[why], params) if why in STAYS else plain(why)


def happening(code: str, params: Parameters | None = None) -> str:
    """What a host or a VM did; follows its name ("web-01 is paused")."""
    told = dict(params or {})
    if code == "state":
        why = STATE_REASONS.get(str(told.get("reason", "")))
        return fill(HAPPENINGS[code], told) + (f": {gettext(why)}" if why else "")
    if code in ("watchdog_fired", "disk_failed"):
        told |= {"action": action_word(str(told.get("action", ""))), "why": disk_reason(str(told.get("why", "")))}
    return fill(HAPPENINGS[code], told) if code in HAPPENINGS else plain(code)


def action_word(action: str) -> str:
    """What was done about something that went wrong ("it was paused")."""
    return gettext(ACTIONS[action]) if action in ACTIONS else plain(action)


def disk_reason(reason: str) -> str:
    """Why a disk failed."""
    return gettext(DISK_REASONS[reason]) if reason in DISK_REASONS else plain(reason)


def log_line(code: str, params: Parameters | None = None) -> str:
    """A line of an operation's log; an error code there reads like the error."""
    if code in LOG:
        return fill(LOG[code], params or {})
    return sentence(code, params) if code in ERRORS else plain(code)


def plain(code: str) -> str:
    return code.replace("_", " ").replace("-", " ")


def state_word(state: str) -> str:
    """A VM's state in words."""
    return gettext(STATES.get(state, STATES["unknown"]))


def operation_state(state: str) -> str:
    """An operation's state in words."""
    return gettext(OPERATION_STATES.get(state, state))


def standing(operation: Operation) -> str:
    """How far an operation is, in words."""
    if operation.state == "queued" and operation.waits_until and operation.host:
        return gettext("waits for {host}").format(host=operation.host.name)
    return operation_state(operation.state)


def kind_title(kind: str) -> str:
    """The words on the button that asks for it."""
    return gettext(KINDS[kind].title) if kind in KINDS else plain(kind)


def kind_done(kind: str) -> str:
    """The words for what has happened to the thing ("started")."""
    return gettext(KINDS[kind].done) if kind in KINDS else plain(kind)


def kind_says(kind: str) -> str:
    """The words below those, that say what it does; "" where the title says all."""
    return gettext(KINDS[kind].says) if kind in KINDS and KINDS[kind].says else ""


def going_on(kind: str) -> str:
    """What is going on while it runs ("starting")."""
    return gettext(GOING_ON[kind]) if kind in GOING_ON else kind_title(kind)


def audit_word(action: str) -> str:
    """An audit event's action ("asked:vm.start") in words."""
    verb, _, thing = action.partition(":")
    if action in AUDIT:
        return gettext(AUDIT[action])
    if verb in AUDIT_VERBS:
        return gettext(AUDIT_VERBS[verb]).format(title=kind_title(thing))
    return f"{plain(verb)} {plain(thing)}".strip()


def audit_facts(facts: Parameters) -> list[tuple[str, str]]:
    """An audit event's facts as names and texts; what was changed as it was and as it is."""
    before, after = facts.get("before"), facts.get("after")
    told = {name: value for name, value in facts.items() if name not in ("before", "after")}
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        told |= {name: f"{shown(before.get(name))} → {shown(after.get(name))}" for name in {**before, **after}}
    elif before is not None:
        told["before"] = before
    return [(plain(name), shown(value)) for name, value in told.items() if value not in ("", None, {}, [])]


def shown(value: Any) -> str:
    """A fact's value as text, an empty one as a dash."""
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(str(name))} {shown(each)}" for name, each in value.items()) or "–"
    if isinstance(value, list):
        return ", ".join(shown(each) for each in value) or "–"
    return "–" if value in ("", None) else str(value)


def duration(seconds: int) -> str:
    """A length of time in its one or two greatest units."""
    if seconds < 60:
        return ngettext("{n} s", "{n} s", seconds).format(n=max(seconds, 0))
    if seconds < 3600:
        return gettext("{n} min").format(n=seconds // 60)
    if seconds < 86400:
        return gettext("{h} h {m} min").format(h=seconds // 3600, m=seconds % 3600 // 60)
    return gettext("{d} d {h} h").format(d=seconds // 86400, h=seconds % 86400 // 3600)


def clone_reason(code: str) -> str:
    """Why a disk is not copied."""
    return gettext(CLONE_REASONS[code])


def warning(code: str, params: Parameters) -> str:
    """What should be known before."""
    return fill(WARNINGS[code], params)


def place_words(why: str, params: Parameters) -> str:
    """Why it is made there."""
    return fill(PLACES[why], params)

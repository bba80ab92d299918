# Written by procman for the app shop, as nomad; the next export overwrites it.
#
# To hand it over: nomad job run -var image=REGISTRY/NAME:TAG shop.nomad.hcl
# The image's working directory has to be the app root.
# The values of the environment files are in here, and whoever may read the job can read them in Nomad.
# Nomad chooses the PORT of what listens on one; what ended is started again by its own rules.
# A process has to listen on all addresses, not on 127.0.0.1, to be reached from outside of its container.
# A client cuts kill_timeout to its own max_kill_timeout, which is 30 seconds unless it is set.
# procman: `needs` (cache, migrate) of web has no place here: Nomad starts everything at once, and once more what has failed for want of it
# procman: `needs` (DATABASE_URL) of web has no place here: Nomad waits for nothing; `procman wait` can, before the command
# procman: `health` of web has no place here: Nomad's own checks ask the service's port alone
# procman: `restart = "on-failure"` of cache has no place here: Nomad starts again what has ended well, too
# procman: `on-exit = "stop-all"` of work has no place here: the end of one leaves the others alone
# procman: `stop-signal` of work has no place here: Nomad knows signals by their names alone
# procman: `needs` (cache) of work has no place here: Nomad starts everything at once, and once more what has failed for want of it
# procman: `ready` by a command of work has no place here: Nomad's own checks know TCP and HTTP alone
# procman: `health` of work has no place here: Nomad's own checks know TCP and HTTP alone
# procman: the need for gone of work has no place here: this formation has none
# procman: `needs` (work) of clock has no place here: Nomad starts everything at once, and once more what has failed for want of it
# procman: `needs` (release) of clock has no place here: nothing but a person dispatches the release phase
# procman: `ready` by sd_notify of clock has no place here: Nomad asks, and is not told
# procman: `ready` by a line of mail has no place here: Nomad asks, and is not told

variable "image" {
  type = string
  default = "shop"
}

job "shop" {
  type = "service"

  group "web" {
    count = 2

    restart {
      attempts = 9
      delay = "1s"
      interval = "110s"
      mode = "fail"
    }

    network {
      port "app" {      }
    }

    service {
      name = "shop-web"
      port = "app"
      provider = "nomad"

      check {
        name = "ready"
        type = "http"
        path = "/health?a='$(id)'&b=[1]%20"
        interval = "1s"
        timeout = "5s"
      }
    }

    task "web" {
      driver = "docker"
      kill_signal = "SIGQUIT"
      kill_timeout = "12500ms"

      config {
        image = var.image
        init = true
        entrypoint = [
          "/bin/sh",
          "-c"
        ]
        args = [
          "exec ./web -p $PORT"
        ]
        ports = [
          "app"
        ]
      }

      env = {
        "A" = "1"
        "PORT" = "${NOMAD_PORT_app}"
      }

      template {
        data = "PS=web.{{ env \"NOMAD_ALLOC_INDEX\" | parseInt | add 1 }}\n"
        destination = "local/ps.env"
        env = true
      }
    }
  }

  group "cache" {
    count = 2

    restart {
      attempts = 2
      delay = "1s"
      interval = "33s"
      mode = "fail"
    }

    network {
      port "app" {      }
    }

    service {
      name = "shop-cache"
      port = "app"
      provider = "nomad"

      check {
        name = "ready"
        type = "tcp"
        interval = "1s"
        timeout = "5s"
      }
    }

    task "cache" {
      driver = "docker"
      kill_signal = "SIGTERM"
      kill_timeout = "5s"

      config {
        image = var.image
        init = true
        entrypoint = [
          "/bin/sh",
          "-c"
        ]
        args = [
          "exec ./cache"
        ]
        ports = [
          "app"
        ]
      }

      env = {
        "A" = "1"
        "PORT" = "${NOMAD_PORT_app}"
      }

      template {
        data = "PS=cache.{{ env \"NOMAD_ALLOC_INDEX\" | parseInt | add 1 }}\n"
        destination = "local/ps.env"
        env = true
      }
    }
  }

  group "work" {
    count = 1

    restart {
      attempts = 0
      mode = "fail"
    }

    reschedule {
      attempts = 0
      unlimited = false
    }

    task "work" {
      driver = "docker"
      kill_signal = "SIGTERM"
      kill_timeout = "5s"

      config {
        image = var.image
        init = true
        entrypoint = [
          "/bin/sh",
          "-c"
        ]
        args = [
          "exec ./work"
        ]
      }

      env = {
        "A" = "1"
        "PORT" = "5200"
      }

      template {
        data = "PS=work.{{ env \"NOMAD_ALLOC_INDEX\" | parseInt | add 1 }}\n"
        destination = "local/ps.env"
        env = true
      }
    }
  }

  group "clock" {
    count = 1

    task "clock" {
      driver = "docker"
      kill_signal = "SIGTERM"
      kill_timeout = "5s"

      config {
        image = var.image
        init = true
        entrypoint = [
          "/bin/sh",
          "-c"
        ]
        args = [
          "exec ./tick"
        ]
      }

      env = {
        "A" = "1"
        "PORT" = "5300"
      }

      template {
        data = "PS=clock.{{ env \"NOMAD_ALLOC_INDEX\" | parseInt | add 1 }}\n"
        destination = "local/ps.env"
        env = true
      }
    }
  }

  group "mail" {
    count = 1

    task "mail" {
      driver = "docker"
      kill_signal = "SIGTERM"
      kill_timeout = "5s"

      config {
        image = var.image
        init = true
        entrypoint = [
          "/bin/sh",
          "-c"
        ]
        args = [
          "exec ./mail"
        ]
        tty = true
      }

      env = {
        "A" = "1"
        "PORT" = "5400"
      }

      template {
        data = "PS=mail.{{ env \"NOMAD_ALLOC_INDEX\" | parseInt | add 1 }}\n"
        destination = "local/ps.env"
        env = true
      }
    }
  }

  group "plain" {
    count = 1

    restart {
      attempts = 0
      delay = "1s"
      interval = "11s"
      mode = "fail"
    }

    task "plain" {
      driver = "docker"
      kill_signal = "SIGTERM"
      kill_timeout = "5s"

      config {
        image = var.image
        init = true
        entrypoint = [
          "/bin/sh",
          "-c"
        ]
        args = [
          "exec ./plain"
        ]
      }

      env = {
        "A" = "1"
        "PORT" = "5900"
      }

      template {
        data = "PS=plain.{{ env \"NOMAD_ALLOC_INDEX\" | parseInt | add 1 }}\n"
        destination = "local/ps.env"
        env = true
      }
    }
  }
}

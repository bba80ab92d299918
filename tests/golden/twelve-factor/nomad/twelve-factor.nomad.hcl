# Written by procman for the app twelve-factor, as nomad; the next export overwrites it.
#
# To hand it over: nomad job run -var image=REGISTRY/NAME:TAG twelve-factor.nomad.hcl
# The image's working directory has to be the app root.
# The values of the environment files are in here, and whoever may read the job can read them in Nomad.
# Nomad chooses the PORT of what listens on one; what ended is started again by its own rules.
# A process has to listen on all addresses, not on 127.0.0.1, to be reached from outside of its container.

variable "image" {
  type = string
  default = "twelve-factor"
}

job "twelve-factor" {
  type = "service"

  group "web" {
    count = 2

    network {
      port "app" {      }
    }

    service {
      name = "twelve-factor-web"
      port = "app"
      provider = "nomad"

      check {
        type = "tcp"
        interval = "10s"
        timeout = "5s"
      }
    }

    task "web" {
      driver = "docker"
      user = "deploy"
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
          "exec python3 -m app.web"
        ]
        ports = [
          "app"
        ]
      }

      env = {
        "GREETING" = "It's 100% yours"
        "SECRET_KEY" = "s3cret"
        "PORT" = "${NOMAD_PORT_app}"
      }

      template {
        data = "PS=web.{{ env \"NOMAD_ALLOC_INDEX\" | parseInt | add 1 }}\n"
        destination = "local/ps.env"
        env = true
      }
    }
  }

  group "worker" {
    count = 1

    task "worker" {
      driver = "docker"
      user = "deploy"
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
          "exec python3 -m app.worker"
        ]
      }

      env = {
        "GREETING" = "It's 100% yours"
        "SECRET_KEY" = "s3cret"
        "PORT" = "5100"
      }

      template {
        data = "PS=worker.{{ env \"NOMAD_ALLOC_INDEX\" | parseInt | add 1 }}\n"
        destination = "local/ps.env"
        env = true
      }
    }
  }

  group "clock" {
    count = 1

    task "clock" {
      driver = "docker"
      user = "deploy"
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
          "exec python3 -m app.clock"
        ]
      }

      env = {
        "GREETING" = "It's 100% yours"
        "SECRET_KEY" = "s3cret"
        "PORT" = "5200"
      }

      template {
        data = "PS=clock.{{ env \"NOMAD_ALLOC_INDEX\" | parseInt | add 1 }}\n"
        destination = "local/ps.env"
        env = true
      }
    }
  }
}

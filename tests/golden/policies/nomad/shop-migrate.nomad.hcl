# Written by procman for the app shop, as nomad; the next export overwrites it.
#
# To hand it over: nomad job run -var image=REGISTRY/NAME:TAG shop-migrate.nomad.hcl
# The image's working directory has to be the app root.
# The values of the environment files are in here, and whoever may read the job can read them in Nomad.
# It runs once, as soon as it is handed over.

variable "image" {
  type = string
  default = "shop"
}

job "shop-migrate" {
  type = "batch"

  group "migrate" {
    count = 1

    restart {
      attempts = 0
      mode = "fail"
    }

    reschedule {
      attempts = 0
      unlimited = false
    }

    task "migrate" {
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
          "exec ./migrate"
        ]
      }

      env = {
        "A" = "1"
        "PORT" = "5500"
      }

      template {
        data = "PS=migrate.{{ env \"NOMAD_ALLOC_INDEX\" | parseInt | add 1 }}\n"
        destination = "local/ps.env"
        env = true
      }
    }
  }
}

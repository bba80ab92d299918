# Written by procman for the app shop, as nomad; the next export overwrites it.
#
# To hand it over: nomad job run -var image=REGISTRY/NAME:TAG shop-seed.nomad.hcl
# The image's working directory has to be the app root.
# The values of the environment files are in here, and whoever may read the job can read them in Nomad.
# It runs once, as soon as it is handed over.

variable "image" {
  type = string
  default = "shop"
}

job "shop-seed" {
  type = "batch"

  group "seed" {
    count = 2

    restart {
      attempts = 3
      delay = "1s"
      interval = "44s"
      mode = "fail"
    }

    task "seed" {
      driver = "docker"
      kill_signal = "SIGTERM"
      kill_timeout = "60s"

      config {
        image = var.image
        init = true
        entrypoint = [
          "/bin/sh",
          "-c"
        ]
        args = [
          "exec ./seed"
        ]
      }

      env = {
        "A" = "1"
        "PORT" = "5600"
      }

      template {
        data = "PS=seed.{{ env \"NOMAD_ALLOC_INDEX\" | parseInt | add 1 }}\n"
        destination = "local/ps.env"
        env = true
      }
    }
  }
}

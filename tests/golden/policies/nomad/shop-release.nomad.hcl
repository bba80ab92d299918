# Written by procman for the app shop, as nomad; the next export overwrites it.
#
# To hand it over: nomad job run -var image=REGISTRY/NAME:TAG shop-release.nomad.hcl
# The image's working directory has to be the app root.
# The values of the environment files are in here, and whoever may read the job can read them in Nomad.
# That registers it; it runs with each: nomad job dispatch shop-release
# procman: `needs` (cache) of release has no place here: it runs before the rest

variable "image" {
  type = string
  default = "shop"
}

job "shop-release" {
  type = "batch"

  parameterized {  }

  group "release" {
    restart {
      attempts = 2
      delay = "1s"
      interval = "33s"
      mode = "fail"
    }

    reschedule {
      attempts = 0
      unlimited = false
    }

    task "release" {
      driver = "docker"
      kill_signal = "SIGINT"
      kill_timeout = "60s"

      config {
        image = var.image
        init = true
        entrypoint = [
          "/bin/sh",
          "-c"
        ]
        args = [
          "exec ./release"
        ]
      }

      env = {
        "A" = "1"
        "PORT" = "5700"
        "PS" = "release.1"
      }
    }
  }
}

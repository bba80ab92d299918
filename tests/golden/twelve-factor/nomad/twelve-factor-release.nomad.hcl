# Written by procman for the app twelve-factor, as nomad; the next export overwrites it.
#
# To hand it over: nomad job run -var image=REGISTRY/NAME:TAG twelve-factor-release.nomad.hcl
# The image's working directory has to be the app root.
# The values of the environment files are in here, and whoever may read the job can read them in Nomad.
# That registers it; it runs with each: nomad job dispatch twelve-factor-release

variable "image" {
  type = string
  default = "twelve-factor"
}

job "twelve-factor-release" {
  type = "batch"

  parameterized {  }

  group "release" {
    restart {
      attempts = 0
      mode = "fail"
    }

    reschedule {
      attempts = 0
      unlimited = false
    }

    task "release" {
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
          "exec python3 -m app.migrate"
        ]
      }

      env = {
        "GREETING" = "It's 100% yours"
        "SECRET_KEY" = "s3cret"
        "PORT" = "5300"
        "PS" = "release.1"
      }
    }
  }
}

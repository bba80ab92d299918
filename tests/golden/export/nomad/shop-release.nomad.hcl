# Written by procman for the app shop, as nomad; the next export overwrites it.
#
# To hand it over: nomad job run -var image=REGISTRY/NAME:TAG shop-release.nomad.hcl
# The image's working directory has to be the app root.
# The values of the environment files are in here, and whoever may read the job can read them in Nomad.
# That registers it; it runs with each: nomad job dispatch shop-release

variable "image" {
  type = string
  default = "shop"
}

job "shop-release" {
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

      meta {
        dollar = "$"
      }

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
        "BACKSLASH" = "C:\\dir\\app\\"
        "COLON" = "a:b=c,d;e"
        "DOLLAR" = "pa$$w0rd $HOME ${"$"}{NOMAD_META_dollar}{HOME} $(id) `id`"
        "EMPTY" = ""
        "HASH" = "a #b#"
        "JSON" = "{\"a\": [1, \"x\"]}"
        "LINES" = "one\ntwo\n\tthree"
        "PASSWORD" = "hunter2"
        "PERCENT" = "100% %h %% %n"
        "QUOTES" = "it's \"so\""
        "SPACES" = "  a  b  "
        "UNICODE" = "Grüße 日本 🚀"
        "PORT" = "5200"
        "PS" = "release.1"
      }
    }
  }
}

# Written by procman for the app shop, as nomad; the next export overwrites it.
#
# To hand it over: nomad job run -var image=REGISTRY/NAME:TAG shop.nomad.hcl
# The image's working directory has to be the app root.
# The values of the environment files are in here, and whoever may read the job can read them in Nomad.
# Nomad chooses the PORT of what listens on one; what ended is started again by its own rules.
# A process has to listen on all addresses, not on 127.0.0.1, to be reached from outside of its container.

variable "image" {
  type = string
  default = "shop"
}

job "shop" {
  type = "service"

  group "web" {
    count = 2

    network {
      port "app" {      }
    }

    service {
      name = "shop-web"
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
          "exec ./server --port \"$PORT\" --rate 100% # the 'front'"
        ]
        ports = [
          "app"
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
        "PORT" = "${NOMAD_PORT_app}"
      }

      template {
        data = "PS=web.{{ env \"NOMAD_ALLOC_INDEX\" | parseInt | add 1 }}\n"
        destination = "local/ps.env"
        env = true
      }
    }
  }

  group "a-b_c" {
    count = 1

    task "a-b_c" {
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
          "printf '%s\\n' \"$PS\" 'it'\"'\"'s' C:\\\\dir; exec ./work"
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
        "PORT" = "5100"
      }

      template {
        data = "PS=a-b_c.{{ env \"NOMAD_ALLOC_INDEX\" | parseInt | add 1 }}\n"
        destination = "local/ps.env"
        env = true
      }
    }
  }
}

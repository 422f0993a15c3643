"""nginx as a reverse proxy: what forwarding costs in C, with nothing else done."""

import shutil
import subprocess

from bench.programs import BenchError, Program, free_port
from bench.sides.side import Side, Target

_CONFIGURATION = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr warn;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    client_body_buffer_size 4m;
    client_max_body_size 64m;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream provider {{
        server 127.0.0.1:{upstream_port};
        keepalive 512;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


class Nginx(Side):
    """One nginx process, proxy_pass over connections that are kept alive."""

    name = "nginx"
    doing = "proxy_pass: no tokens, no keys, no retries, no recording, no access log"

    def version(self) -> str:
        done = subprocess.run([_program(), "-v"], capture_output=True, text=True, check=False)
        return done.stderr.strip().removeprefix("nginx version: ")

    def launch(self, cores: frozenset[int]) -> Program:
        place = self.place
        self.target = Target(free_port())
        configuration = place.directory / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                directory=place.directory, port=self.target.port, upstream_port=place.upstream_port
            )
        )
        command = [_program(), "-p", str(place.directory), "-c", str(configuration)]
        return Program(command, place.directory / "nginx.log", cores=cores)


def _program() -> str:
    found = shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin")
    if found is None:
        raise BenchError("nginx is not installed (Debian and Ubuntu: apt-get install nginx-light)")
    return found

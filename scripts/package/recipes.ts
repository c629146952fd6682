/** Packages that are made of the tarball: one file that unpacks itself, a container, and Homebrew's formula. */

/** @param name of the tarball, which lies next to it */
export function containerFile(version: string, name: string): string {
  return `# Oxbow ${version} in a container: podman build -t oxbow -f Containerfile .
# What holds agents is inside it, so the container needs what bubblewrap does: new namespaces, and a /proc with nothing over it.
#   podman run --security-opt seccomp=unconfined --security-opt unmask=ALL --security-opt label=disable oxbow
#   docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined --security-opt apparmor=unconfined oxbow
FROM docker.io/library/debian:stable-slim
RUN apt-get update \\
 && apt-get install -y --no-install-recommends bubblewrap ca-certificates util-linux \\
 && rm -rf /var/lib/apt/lists/* \\
 && useradd --create-home --uid 10001 oxbow
ADD ${name} /opt/
RUN ln -s /opt/${name.replace(/\.tar\.gz$/, '')} /opt/oxbow && ln -s /opt/oxbow/bin/oxbow /opt/oxbow/bin/oxbow-verify /opt/oxbow/bin/oxbowd /usr/local/bin/
USER oxbow
ENV OXBOW_HOME=/home/oxbow/.oxbow
VOLUME /home/oxbow/.oxbow
ENTRYPOINT ["oxbow"]
CMD ["serve"]
`
}

/** @param hash SHA-256 of npm's package @param address of the folder with the packages */
export function homebrewFormula(version: string, hash: string, address: string): string {
  return `class Oxbow < Formula
  desc "Local-first operating system for AI agents"
  homepage "https://www.npmjs.com/package/oxbow"
  url "${address}/oxbow-${version}.tgz"
  sha256 "${hash}"
  license "MIT"

  depends_on "node@24"

  def install
    system "npm", "install", *std_npm_args
    node = Formula["node@24"].opt_bin
    (bin/"oxbow").write_env_script libexec/"bin/oxbow", PATH: "#{node}:$PATH"
    (bin/"oxbow-verify").write_env_script libexec/"bin/oxbow-verify", PATH: "#{node}:$PATH"
    generate_completions_from_executable(bin/"oxbow", "completion")
  end

  test do
    ENV["OXBOW_HOME"] = testpath
    assert_match version.to_s, shell_output("#{bin}/oxbow --version")
    assert_match "hello", shell_output("#{bin}/oxbow run --model offline 'say hello'").downcase
  end
end
`
}

/**
 * The tarball behind a script: `./oxbow-V.run VERB` unpacks it below the home with the first start, and starts it from there. Why it is no single
 * executable application of Node: docs/decisions/2026-11-26-one-file.md
 * @param hash of the tarball
 */
export function selfUnpacking(version: string, tarball: Buffer, hash: string): Buffer {
  const script = (lines: number): string => `#!/bin/sh
# Oxbow ${version} in one file: it unpacks itself below OXBOW_HOME once, and starts.
set -eu
versions="\${OXBOW_HOME:-$HOME/.oxbow}/versions"
root="$versions/${version}"
if [ ! -f "$root/files.sha256" ]; then
  umask 077
  mkdir -p "$versions"
  draft=$(mktemp -d "$versions/.unpacking.XXXXXX")
  trap 'rm -rf "$draft"' EXIT HUP INT TERM
  tail -n +${lines} "$0" > "$draft/oxbow.tar.gz"
  if [ "$(sha256sum < "$draft/oxbow.tar.gz" | cut -c1-64)" != ${hash} ]; then
    echo "error: this file is damaged; download it again" >&2
    exit 1
  fi
  mkdir "$draft/root"
  tar -xzf "$draft/oxbow.tar.gz" -C "$draft/root" --strip-components=1
  mv -T "$draft/root" "$root" 2>/dev/null || [ -f "$root/files.sha256" ]
  rm -rf "$draft"
  trap - EXIT HUP INT TERM
fi
exec "$root/bin/oxbow" "$@"
`
  const lines = script(0).split('\n').length
  return Buffer.concat([Buffer.from(script(lines)), tarball])
}

# Installs the wheel that `url`, `version` and `sha256` name. Here they name none: for a wheel that there is,
# `python -m tools.formula WHEEL` prints this file with its own. docs/service.md says where to put that.
class MlxResponses < Formula
  include Language::Python::Virtualenv

  desc "The OpenAI Responses API on a Mac's own GPU: a local MLX server for agents and SDKs"
  homepage "http://127.0.0.1:8642"
  url "file:///mlx_responses-0-py3-none-any.whl", using: :nounzip
  version "0"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "MIT"

  depends_on arch: :arm64
  depends_on macos: :sonoma
  depends_on "python@3.13"

  # The compiled parts of wheels have no room for the longer names that Homebrew would give them.
  preserve_rpath

  def install
    # Homebrew's own `pip_install` would compile every dependency; all but rumps come as wheels.
    virtualenv_create libexec, "python3.13", system_site_packages: false
    system "python3.13", "-m", "pip", "--python=#{libexec}/bin/python", "install", "--no-cache-dir",
           "--only-binary=:all:", "--no-binary=rumps", "#{Dir["*.whl"].first}[menubar]"
    bin.install_symlink libexec/"bin/mlx-responses"
    generate_completions_from_executable(bin/"mlx-responses", "completion")
  end

  def caveats
    <<~EOS
      A model of 5 million parameters is inside; `mlx-responses models` lists what can be pulled.
      `brew services start #{name}` keeps a server running, in place of `mlx-responses service install`.
      `mlx-responses menubar` shows it in the menu bar.
    EOS
  end

  service do
    run [opt_bin/"mlx-responses", "serve", "--log-stderr", "off"]
    keep_alive successful_exit: false
    process_type :interactive
    log_path var/"log/mlx-responses.log"
    error_log_path var/"log/mlx-responses.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/mlx-responses --version")
    assert_match "Your name is Ada.", shell_output("#{bin}/mlx-responses demo")
  end
end

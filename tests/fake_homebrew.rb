# As much of Homebrew as the formula asks of it: runs `install`, prints what it was told as JSON.
require "json"
require "pathname"

module Language; module Python; module Virtualenv; end; end; end

class Formula
  TOLD = Hash.new { |told, name| told[name] = [] }

  class << self
    %i[desc homepage url version sha256 license depends_on preserve_rpath run keep_alive process_type
       log_path error_log_path].each do |word|
      define_method(word) { |*given, **named| TOLD[word] << given + (named.empty? ? [] : [named]) }
    end

    def opt_bin = Pathname.new("/opt/bin")

    def var = Pathname.new("/var")

    def service = yield

    def test(&block) = define_method(:test, &block)
  end

  %i[virtualenv_create system generate_completions_from_executable assert_match].each do |word|
    define_method(word) { |*given, **named| TOLD[word] << given + (named.empty? ? [] : [named]) }
  end

  def name = "mlx-responses"

  def version = TOLD[:version][0][0]

  def libexec = Pathname.new("/libexec")

  def bin = Linked.new("/bin")

  def shell_output(command) = "$(#{command})"

  class Linked < Pathname
    def install_symlink(target) = TOLD[:install_symlink] << [target]
  end
end

load ARGV.fetch(0)
made = MlxResponses.new
made.install
made.test
puts JSON.generate(Formula::TOLD.merge(caveats: made.caveats))

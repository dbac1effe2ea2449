# Sidekiq (the open-source one), with as many threads as the given concurrency.
#
# - Jobs are added by push_bulk, 1,000 at a time.
# - The log level is WARN: it writes two lines for each job otherwise.
# - A connection for each thread and five for the rest, which is its default for a concurrency given as a setting.
#
# kill -9: the jobs in flight are lost, as they were taken by BRPOP.
require "json"
require "sidekiq/cli"

STEP, EMAILS, *REST = ARGV
BATCH = 1000

Redis.silence_deprecations = true if defined?(Redis.silence_deprecations)
Sidekiq.logger.level = Logger::WARN
REDIS = { url: ENV["REDIS_URL"], size: REST[0].to_i + 5 }
Sidekiq.configure_server { |config| config.redis = REDIS }

def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

def email(number) = JSON.parse(ENV["EMAIL"].gsub("000000000000", format("%012d", number)))

# How many were handled, and when the first and the last of them were.
module Tally
  LOCK = Mutex.new
  DONE = Queue.new
  @handled = 0

  def self.handle
    LOCK.synchronize do
      @last = now
      @first ||= @last
      @handled += 1
      DONE << true if @handled == EMAILS.to_i
    end
  end

  def self.result = LOCK.synchronize { { emails: @handled, seconds: @first ? @last - @first : 0 } }
end

class SendEmail
  include Sidekiq::Worker

  def perform(_email) = Tally.handle
end

def report(result)
  puts JSON.generate(result)
  $stdout.flush
  exit!(0)
end

def enqueue(emails, limit)
  deadline = now + limit
  added = 0
  while added < emails && now < deadline
    numbers = (added...[added + BATCH, emails].min)
    Sidekiq::Client.push_bulk("class" => SendEmail, "args" => numbers.map { |number| [email(number)] })
    added = numbers.end
  end
  report(emails: added, version: "#{Sidekiq::VERSION} (Ruby #{RUBY_VERSION})")
end

def work(concurrency, limit)
  Thread.new do
    waiter = Thread.new { Tally::DONE.pop }
    waiter.join(limit)
    report(Tally.result)
  end
  cli = Sidekiq::CLI.instance
  # The command loads an application by this option; a file that is loaded already is not loaded again.
  cli.parse(["sidekiq", "-q", "default", "-c", concurrency.to_s, "-r", File.expand_path(__FILE__)])
  cli.run
end

if $PROGRAM_NAME == __FILE__
  $LOADED_FEATURES << File.expand_path(__FILE__)
  STEP == "enqueue" ? enqueue(EMAILS.to_i, REST[0].to_f) : work(REST[0].to_i, REST[1].to_f)
end

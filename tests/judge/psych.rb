# Reads a JSON list of YAML documents from STDIN, and prints what Ruby's Psych makes of each, as `oneprovision` would send
# it: {"said": ...} with what `to_s` says of scalars, {"error": ...}, or {} where it is not to be compared.

require "date"
require "json"
require "yaml"

# Ruby 2.0 to 2.7, which OpenNebula 5 runs with, take commas and underscores at the end of whole numbers, too, and no years
# before Christ.
TIME = Psych::ScalarScanner::TIME
%i[INTEGER TIME].each { |name| Psych::ScalarScanner.send(:remove_const, name) }
Psych::ScalarScanner::TIME = Regexp.new(TIME.source.sub("^-?", "^"))
Psych::ScalarScanner::INTEGER = /^(?:[-+]?0b[0-1_,]+|[-+]?0[0-7_,]+|[-+]?(?:0|[1-9][0-9_,]*)|[-+]?0x[0-9a-fA-F_,]+)$/

NoText = Class.new(StandardError)

def said(value)
  case value
  when nil, true, false then value
  when Array then value.map { |item| said(item) }
  when Hash
    raise NoText unless value.keys.all?(String)
    value.transform_values { |item| said(item) }
  else value.to_s
  end
end

answers = JSON.parse($stdin.read).map do |document|
  { "said" => said(Psych.respond_to?(:unsafe_load) ? Psych.unsafe_load(document) : Psych.load(document)) }
rescue NoText
  {}
rescue ArgumentError => e
  # Psych itself takes `0x_` for a number, and Ruby does not.
  e.message.include?("Integer") ? {} : { "error" => e.class.name }
rescue StandardError, SystemStackError => e
  { "error" => e.class.name }
end
puts JSON.generate(answers)

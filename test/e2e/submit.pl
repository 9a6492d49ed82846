# Submits one message by Net::SMTP: port, kind, authority, mechanism, user, password, sender, recipient, file.
use strict;
use warnings;
use Authen::SASL;
use Net::SMTP;
my ($port, $kind, $ca, $mechanism, $user, $password, $from, $to, $file) = @ARGV;
my %tls = (SSL_ca_file => $ca, SSL_verifycn_name => '127.0.0.1', SSL_verifycn_scheme => 'smtp');
my $server = Net::SMTP->new('127.0.0.1', Port => $port, Timeout => 20, ($kind eq 'smtps' ? (SSL => 1, %tls) : ()))
  or die "no session: $@";
$kind eq 'smtps' or $server->starttls(%tls) or die 'STARTTLS: ' . $server->message;
# Without authname it asks to act as the user, which is right as well but not what is meant.
my $sasl = Authen::SASL->new(
  mechanism => $mechanism, callback => { user => $user, pass => $password, authname => '' });
$server->auth($sasl) or die 'AUTH: ' . $server->message;
open my $message, '<:raw', $file or die "$file: $!";
my @lines = map { s/\r\n\z/\n/r } <$message>;
$server->mail($from, Bits => 8) && $server->to($to) && $server->data(@lines) or die 'refused: ' . $server->message;
$server->quit;
